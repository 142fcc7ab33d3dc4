package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strings"
	"time"

	cloud "gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // for Open: azblob://
	_ "gocloud.dev/blob/gcsblob"   // for Open: gs://
	_ "gocloud.dev/blob/memblob"   // for Open: mem://
	_ "gocloud.dev/blob/s3blob"    // for Open: s3://

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
)

// Store is a bucket as a place for files. Their names are the objects' keys: no slash at their start, and none of the
// characters that gocloud would write as something else, such as a line break (on Azure also \ " # % and ?). An object
// whose key ends in a slash is a folder and is passed over.
//
// Two stores are the same place, and two sinks with one target are noticed, if they have the same Bucket. Its methods may
// be called by several goroutines at once.
//
// An upload holds at most about 25 MiB in memory. On S3 a file is at most 48 GiB long, 10,000 parts of 5 MiB, and one of
// more than 5 GiB is moved part by part.
type Store struct {
	// Bucket is opened and closed by the caller: by s3blob.OpenBucket and its like, or by [Open].
	Bucket *cloud.Bucket
}

var _ files.Writable = Store{}

// Limits of time; shorter in tests.
var (
	patience = time.Minute      // for the answer to a question, the client's own retries included
	stall    = 30 * time.Second // without a byte, after which a download counts as broken
)

// Open opens a bucket by its URL: s3://name?region=eu-central-1, gs://name, azblob://container, or mem://, which is empty and
// is gone with its Store. Credentials are found as the cloud's own tools find them. What else a URL may say is at
// https://gocloud.dev/howto/blob/. Nothing is sent before the first use. The caller closes the Bucket.
func Open(ctx context.Context, bucketURL string) (Store, error) {
	u, err := url.Parse(bucketURL)
	if err != nil {
		return Store{}, pipeline.Permanent(errors.New("blob: this is no URL of a bucket, such as s3://name"))
	}
	place := u.Scheme + "://" + u.Host // a query may hold what nobody should read
	switch u.Scheme {
	case "s3", "gs", "azblob", "mem":
	default:
		return Store{}, pipeline.Permanent(fmt.Errorf("%s: this is no URL of a bucket: s3, gs, azblob and mem can be opened by their URL, others by gocloud.dev and put into a Store", place))
	}
	b, err := cloud.OpenBucket(ctx, bucketURL)
	if err != nil {
		return Store{}, pipeline.Permanent(fmt.Errorf("%s: %w", place, &failure{oneLine(strings.ReplaceAll(err.Error(), bucketURL, place)), err}))
	}
	return Store{b}, nil
}

// List asks for a page of 1,000 objects at a time, and holds no more than that.
func (s Store) List(ctx context.Context, prefix string) iter.Seq2[files.Info, error] {
	return func(yield func(files.Info, error) bool) {
		if s.Bucket == nil {
			yield(files.Info{}, errNoBucket)
			return
		}
		pages := s.Bucket.List(&cloud.ListOptions{Prefix: prefix})
		last := ""
		for {
			object, err := next(ctx, pages)
			if err == io.EOF {
				return
			}
			if err == nil && object.Key < last {
				err = pipeline.Permanent(fmt.Errorf("the bucket lists %q after %q, and so does not list by name, as directory buckets of S3 do not: "+
					"use another kind of bucket, or a narrower pattern", object.Key, last))
			} else if err != nil {
				err = s.explain(ctx, err)
			}
			if err != nil {
				yield(files.Info{}, nameError(placeOf(prefix), err))
				return
			}
			last = object.Key
			if object.IsDir || strings.HasSuffix(object.Key, "/") {
				continue
			}
			info := files.Info{Name: object.Key, Size: object.Size, Modified: object.ModTime, Version: listedVersion(object)}
			if !yield(info, nil) {
				return
			}
		}
	}
}

func placeOf(prefix string) string {
	if prefix == "" {
		return "the bucket"
	}
	return prefix + "*"
}

func next(ctx context.Context, pages *cloud.ListIterator) (*cloud.ListObject, error) {
	ctx, cancel := patient(ctx)
	defer cancel()
	return pages.Next(ctx)
}

// Stat looks one object up.
func (s Store) Stat(ctx context.Context, name string) (files.Info, error) {
	if err := s.check(name); err != nil {
		return files.Info{}, err
	}
	question, cancel := patient(ctx)
	defer cancel()
	a, err := s.Bucket.Attributes(question, name)
	if err != nil {
		return files.Info{}, nameError(name, s.explain(ctx, err))
	}
	return files.Info{Name: name, Size: a.Size, Modified: a.ModTime, Version: lookedUpVersion(a)}, nil
}

// patient bounds how long an answer is waited for: the clients of some clouds wait for ever.
func patient(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, patience, errNoAnswer)
}
