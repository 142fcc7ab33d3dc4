package blob

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azure "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	cloud "gocloud.dev/blob"
)

// A version must be the same text whether an object was listed, looked up or read. ETags come in quotes from some of these
// and without from others; they are kept without.

func listedVersion(o *cloud.ListObject) string {
	var (
		ofS3     types.Object
		ofGoogle storage.ObjectAttrs
		ofAzure  container.BlobItem
	)
	switch {
	case o.As(&ofS3):
		return unquoted(ofS3.ETag)
	case o.As(&ofGoogle):
		return strconv.FormatInt(ofGoogle.Generation, 10)
	case o.As(&ofAzure):
		return unquoted((*string)(ofAzure.Properties.ETag))
	}
	return byTime(o.ModTime, o.Size)
}

func lookedUpVersion(a *cloud.Attributes) string {
	var (
		ofS3     s3.HeadObjectOutput
		ofGoogle storage.ObjectAttrs
		ofAzure  azure.GetPropertiesResponse
	)
	switch {
	case a.As(&ofS3):
		return unquoted(ofS3.ETag)
	case a.As(&ofGoogle):
		return strconv.FormatInt(ofGoogle.Generation, 10)
	case a.As(&ofAzure):
		return unquoted((*string)(ofAzure.ETag))
	}
	return byTime(a.ModTime, a.Size)
}

func openedVersion(r *cloud.Reader) string {
	var (
		ofS3     s3.GetObjectOutput
		ofGoogle *storage.Reader
		ofAzure  azure.DownloadStreamResponse
	)
	switch {
	case r.As(&ofS3):
		return unquoted(ofS3.ETag)
	case r.As(&ofGoogle):
		return strconv.FormatInt(ofGoogle.Attrs.Generation, 10)
	case r.As(&ofAzure):
		return unquoted((*string)(ofAzure.ETag))
	}
	return byTime(r.ModTime(), r.Size())
}

func unquoted(tag *string) string { return strings.Trim(aws.ToString(tag), `"`) }

func byTime(modified time.Time, size int64) string {
	if modified.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d-%d", modified.UnixNano(), size)
}

// pin asks the service for one version and no other, and for the bytes as they are kept.
func pin(version string) func(as func(any) bool) error {
	return func(as func(any) bool) error {
		var (
			ofS3     *s3.GetObjectInput
			ofGoogle **storage.ObjectHandle
			ofAzure  *azure.DownloadStreamOptions
		)
		switch {
		case as(&ofGoogle):
			// Google unpacks what was stored as packed, and then knows neither ranges nor sizes.
			*ofGoogle = (*ofGoogle).ReadCompressed(true)
			generation, err := strconv.ParseInt(version, 10, 64)
			if err == nil {
				*ofGoogle = (*ofGoogle).If(storage.Conditions{GenerationMatch: generation})
			}
		case version == "":
		case as(&ofS3):
			ofS3.IfMatch = aws.String(strconv.Quote(version))
		case as(&ofAzure):
			tag := azcore.ETag(strconv.Quote(version))
			ofAzure.AccessConditions = &azure.AccessConditions{
				ModifiedAccessConditions: &azure.ModifiedAccessConditions{IfMatch: &tag},
			}
		}
		return nil
	}
}
