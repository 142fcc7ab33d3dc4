package files

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"time"
)

// Store is a place where files are. Names use '/', whatever the system's own separator is. Its methods may be called
// by several goroutines at once.
//
// An error about a file that is not there wraps [fs.ErrNotExist], one about a missing right [fs.ErrPermission]. An error
// that another attempt would meet again says so: [pipeline.Permanent]. No error holds a secret.
type Store interface {
	// List yields the files whose names begin with prefix, sorted by name, folders left out. It yields an error at
	// most once, at its end. A store that cannot list yields one that wraps [errors.ErrUnsupported].
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]

	// Stat looks one file up.
	Stat(ctx context.Context, name string) (Info, error)

	// Open reads the bytes from from up to, not including, to; a negative to is the end of the file. The bytes are those
	// of f.Version: if the file is no longer that, Open or a later Read fails with [ErrChanged]. A Read that waits ends
	// with ctx, at the latest when Close is called meanwhile. f is what Stat or List returned.
	Open(ctx context.Context, f Info, from, to int64) (io.ReadCloser, error)
}

// Writable is a store that can also be written to.
type Writable interface {
	Store

	// Create begins a file of that name. Nobody sees it before its Close has returned nil; if the process dies before,
	// nothing stays that a List would yield.
	Create(ctx context.Context, name string) (Draft, error)

	// Move gives a file another name, and replaces what has that name. Moving it once more is harmless: if from is not
	// there and to is, that is an error which wraps [fs.ErrNotExist], and to stays as it is.
	Move(ctx context.Context, from, to string) error

	// Remove deletes a file. One that is not there is no error.
	Remove(ctx context.Context, name string) error
}

// Draft is a file that is being written. It is used by one goroutine. Exactly one of Close and Abort ends it.
type Draft interface {
	io.Writer

	// Close makes the file durable and lets others see it.
	Close() error

	// Abort drops what was written. After Close it does nothing.
	Abort() error
}

// Info is what a store knows of a file.
type Info struct {
	Name     string
	Size     int64     // in bytes; -1 if it is not known before the end
	Modified time.Time // zero if it is not known

	// Version changes whenever the content does (an ETag, a generation); "" if the store cannot pin a file to its content.
	Version string
}

// ErrChanged says that a file is not any more what it was when it was looked up.
var ErrChanged = errors.New("the file has changed while it was read")

// changedError is an ErrChanged that tells how.
type changedError struct{ how string }

func (e *changedError) Error() string        { return e.how }
func (e *changedError) Is(target error) bool { return target == ErrChanged }

// nameError says what is wrong with a file, its name first and once.
func nameError(name string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return &fileError{name, err}
}

type fileError struct {
	name string
	err  error
}

func (e *fileError) Error() string { return e.name + ": " + e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }
