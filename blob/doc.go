// Package blob makes a bucket of S3, Google Cloud Storage or Azure a place for files: a [files.Store] and [files.Writable],
// through gocloud.dev/blob. It is a module of its own, so that the clients of these clouds are in nobody's go.sum who does
// not want them.
//
//	sources.CSV{Store: blob.Store{Bucket: b}}             sinks.CSV{Store: blob.Store{Bucket: b}}
//	        ▲ bytes, pinned to one version                        │ bytes
//	┌───────┴──────────────────────┐                     ┌────────▼─────────────────────────────────────┐
//	│ List  page by page, sorted   │                     │ Create  sales.csv.millrace-RUN-1.tmp         │
//	│ Open  ranges; goes on where  │                     │         appears at Close: the run's Prepare  │
//	│       a connection broke     │                     │ Move    copied to sales.csv, then deleted:   │
//	└───────▲──────────────────────┘                     │         the run's commit                     │
//	        │                                            └────────┬─────────────────────────────────────┘
//	┌───────┴─────────────────────────────────────────────────────▼──┐
//	│ gocloud.dev/blob: s3blob, gcsblob, azureblob, memblob, others  │
//	└────────────────────────────────────────────────────────────────┘
//
// # Versions
//
// A file's version is its ETag (S3, Azure), its generation (Google), or its time and size (others). Reading asks the
// service for that version (If-Match, a generation to match) and holds the answer against it once more, since not every
// service that speaks S3 heeds the question. An object that is replaced between two ranges is [files.ErrChanged].
//
// # What is left behind
//
// An upload that fails or is cancelled is dropped. One whose process is killed, or whose service cannot be told any more,
// leaves what no listing shows: Google and Azure drop it after a week; S3 keeps, and bills, its parts until a lifecycle
// rule of the bucket ends it. Give the bucket one with AbortIncompleteMultipartUpload and DaysAfterInitiation 7.
// What a run had prepared and not published is a plain object, of which [files.Output] tells when it goes.
//
// # Rights
//
// On S3 a reader needs s3:GetObject and s3:ListBucket; a writer s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload
// too. Without s3:ListBucket S3 says of a missing object that access is denied.
package blob
