package sources

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace/millrace/pipeline"
)

// newFile is a file that a run reads and no committed run has read.
type newFile struct {
	Name     string    `json:"name"` // below the pattern's fixed folder, with /
	Size     int64     `json:"size"` // in bytes
	SHA256   string    `json:"sha256"`
	Modified time.Time `json:"modified"`
}

func (f newFile) changed() error {
	return fmt.Errorf("the file has changed since this run began: it had %d bytes with the SHA-256 %s; "+
		"a run reads the same files in all its attempts, so put it back, or start a run with another ID", f.Size, f.SHA256)
}

// filesCursor is the cursor of an incremental CSV source.
//
// A commit's row in the ledger holds it twice, for each run there ever was, so what was
// taken long ago is kept small: 24 bytes a file.
type filesCursor struct {
	Files []newFile `json:"files"` // what the run reads that this cursor belongs to
	Taken digests   `json:"taken"` // what the runs before it have read
}

// digests is a set of files. Each is in it twice: by its content, which decides,
// and by its time, which spares looking at the content.
type digests map[digest]struct{}

type digest [12]byte

func digestOf(kind, name string, size int64, rest string) digest {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%s", kind, name, size, rest))
	return digest(sum[:])
}

func (f newFile) byContent() digest { return digestOf("content", f.Name, f.Size, f.SHA256) }
func (f newFile) byTime() digest {
	return digestOf("time", f.Name, f.Size, f.Modified.UTC().Format(time.RFC3339Nano))
}

func (s digests) add(d digest)      { s[d] = struct{}{} }
func (s digests) has(d digest) bool { _, ok := s[d]; return ok }

// MarshalJSON writes the digests in order, as one text.
func (s digests) MarshalJSON() ([]byte, error) {
	all := make([]digest, 0, len(s))
	for d := range s {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b digest) int { return bytes.Compare(a[:], b[:]) })
	packed := make([]byte, 0, len(all)*len(digest{}))
	for _, d := range all {
		packed = append(packed, d[:]...)
	}
	return json.Marshal(base64.RawStdEncoding.EncodeToString(packed))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *digests) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	packed, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	const n = len(digest{})
	if len(packed)%n != 0 {
		return errors.New("the list of files that were read is cut off")
	}
	*s = make(digests, len(packed)/n)
	for ; len(packed) > 0; packed = packed[n:] {
		s.add(digest(packed[:n]))
	}
	return nil
}

// Incremental tells whether NewFiles is set.
func (c CSV[T]) Incremental() bool { return c.NewFiles }

// Bound fixes the files that a run reads: those that match and are not in last.
// It reads their headers and sums them up.
func (c CSV[T]) Bound(ctx context.Context, last json.RawMessage) (json.RawMessage, error) {
	before, err := c.parseCursor(last)
	if err != nil {
		return nil, err
	}
	next := filesCursor{Files: []newFile{}, Taken: before.Taken}
	for _, f := range before.Files {
		next.Taken.add(f.byContent())
		next.Taken.add(f.byTime())
	}
	paths, err := c.matches()
	if err != nil {
		return nil, err
	}
	folder := fixedFolder(c.Path)
	var problems []error
	for _, path := range paths {
		found, err := next.look(ctx, folder, path)
		if err == nil && found {
			err = c.checkFile(ctx, csvFile{name: path, path: path})
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
	switch len(problems) {
	case 0:
		return json.Marshal(next)
	case 1:
		return nil, problems[0]
	}
	return nil, errors.Join(problems...)
}

// look adds the file to the cursor's if nobody has read it, and tells whether it did.
func (next *filesCursor) look(ctx context.Context, folder, path string) (found bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil // not there yet, or gone since it was listed
	}
	if err != nil {
		return false, fileError(path, err)
	}
	if !info.Mode().IsRegular() {
		return false, pipeline.Permanent(fmt.Errorf("%s: NewFiles reads regular files only; this is %s", path, kindOf(info)))
	}
	name, err := filepath.Rel(folder, path)
	if err != nil {
		return false, fileError(path, err)
	}
	f := newFile{Name: filepath.ToSlash(name), Size: info.Size(), Modified: info.ModTime().UTC()}
	if next.Taken.has(f.byTime()) {
		return false, nil
	}
	if f.SHA256, err = sumOf(ctx, path, f.Size); err != nil {
		return false, fileError(path, err)
	}
	if next.Taken.has(f.byContent()) {
		next.Taken.add(f.byTime()) // it was only touched
		return false, nil
	}
	next.Files = append(next.Files, f)
	return true, nil
}

// sumOf reads a file, whose size must still be what it was.
func sumOf(ctx context.Context, path string, size int64) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	r, err := newFileReader(ctx, file, csvFile{name: path, path: path})
	if err != nil {
		return "", err
	}
	n, err := io.Copy(sum, r)
	if err != nil {
		return "", err
	}
	if n != size {
		return "", fmt.Errorf("the file changed while it was looked at, from %d to %d bytes: it is still being written", size, n)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// newFilesOf returns what the run's range says.
func (c CSV[T]) newFilesOf(ctx context.Context) ([]csvFile, error) {
	rng, ok := pipeline.RangeFrom(ctx)
	if !ok {
		return nil, pipeline.Permanent(errors.New("sources.CSV: NewFiles needs a pipeline with Options.State, and the source as a stage of its own"))
	}
	cursor, err := c.parseCursor(rng.To)
	if err != nil {
		return nil, err
	}
	folder := fixedFolder(c.Path)
	files := make([]csvFile, len(cursor.Files))
	for i, f := range cursor.Files {
		path := filepath.Join(folder, filepath.FromSlash(f.Name))
		files[i] = csvFile{name: path, path: path, want: &cursor.Files[i]}
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s: the file was there when this run began and is gone; put it back, or start a run with another ID: %w", path, os.ErrNotExist)
		}
	}
	return files, nil
}

func (c CSV[T]) parseCursor(raw json.RawMessage) (filesCursor, error) {
	var cursor filesCursor
	if len(raw) == 0 {
		return filesCursor{Taken: digests{}}, nil
	}
	if err := json.Unmarshal(raw, &cursor); err != nil {
		return cursor, pipeline.Permanent(fmt.Errorf("%s: the cursor is not one of files: %w", c.Path, err))
	}
	if cursor.Taken == nil {
		return cursor, pipeline.Permanent(fmt.Errorf("%s: the cursor is not one of files: was the stage another kind of source before?", c.Path))
	}
	return cursor, nil
}
