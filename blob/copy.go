package blob

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	cloud "gocloud.dev/blob"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/files"
)

// What S3 copies in one request, and in one part of an upload. Smaller in tests.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/CopyingObjectsMPUapi.html
var (
	copyLimit int64 = 5 << 30
	copyPart  int64 = 1 << 30
)

const copiesAt = 4 // parts that are copied at once

var errSeen = errors.New("the request was looked at and not sent")

// copyInParts copies an object of S3 that is too long for one request, which is all that gocloud sends.
func (s Store) copyInParts(ctx context.Context, client *s3.Client, from files.Info, to string) error {
	in, err := s.asS3(ctx, from.Name, to)
	if err != nil {
		return err
	}
	source, err := url.QueryUnescape(aws.ToString(in.CopySource))
	if err != nil {
		return err
	}
	_, key, _ := strings.Cut(source, "/")
	old, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: in.Bucket, Key: &key})
	if err != nil {
		return err
	}
	upload, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: in.Bucket, Key: in.Key,
		ContentType: old.ContentType, ContentEncoding: old.ContentEncoding, ContentLanguage: old.ContentLanguage,
		ContentDisposition: old.ContentDisposition, CacheControl: old.CacheControl, Metadata: old.Metadata,
		ServerSideEncryption: in.ServerSideEncryption, SSEKMSKeyId: in.SSEKMSKeyId,
	})
	if err != nil {
		return err
	}
	parts, err := copyParts(ctx, client, in, upload.UploadId, from)
	if err == nil {
		_, err = client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: in.Bucket, Key: in.Key, UploadId: upload.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
	}
	if err != nil {
		ctx, cancel := patient(context.WithoutCancel(ctx))
		defer cancel()
		_, left := client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: in.Bucket, Key: in.Key, UploadId: upload.UploadId})
		return errors.Join(err, left)
	}
	return nil
}

// asS3 is the request for a copy, which is not sent: gocloud knows the bucket's name, the keys as S3 has them and the
// encryption.
func (s Store) asS3(ctx context.Context, from, to string) (in *s3.CopyObjectInput, err error) {
	err = s.Bucket.Copy(ctx, to, from, &cloud.CopyOptions{BeforeCopy: func(as func(any) bool) error {
		as(&in)
		return errSeen
	}})
	if in == nil {
		return nil, err
	}
	return in, nil
}

func copyParts(ctx context.Context, client *s3.Client, in *s3.CopyObjectInput, upload *string, from files.Info) ([]types.CompletedPart, error) {
	size := max(copyPart, (from.Size+s3MaxPart-1)/s3MaxPart)
	parts := make([]types.CompletedPart, (from.Size+size-1)/size)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copiesAt)
	for i := range parts {
		at := int64(i) * size
		number := aws.Int32(int32(i + 1)) //nolint:gosec // at most s3MaxPart
		group.Go(func() error {
			done, err := client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
				Bucket: in.Bucket, Key: in.Key, UploadId: upload, PartNumber: number,
				CopySource: in.CopySource, CopySourceIfMatch: aws.String(strconv.Quote(from.Version)),
				CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", at, min(at+size, from.Size)-1)),
			})
			if err == nil {
				parts[i] = types.CompletedPart{PartNumber: number, ETag: done.CopyPartResult.ETag}
			}
			return err
		})
	}
	return parts, group.Wait()
}
