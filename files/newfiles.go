package files

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
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/pipeline"
)

// newFile is a file that a run reads and no committed run has read.
type newFile struct {
	Name     string    `json:"name"`              // below the pattern's fixed folder, with /
	Size     int64     `json:"size"`              // in bytes
	SHA256   string    `json:"sha256,omitempty"`  // of Disk, and of stores that know no version
	Version  string    `json:"version,omitempty"` // of other stores
	Modified time.Time `json:"modified"`
}

func (f newFile) changed() error {
	what := "the SHA-256 " + f.SHA256
	if f.SHA256 == "" {
		what = "the version " + f.Version
	}
	return &changedError{fmt.Sprintf("the file has changed since this run began: it had %d bytes with %s; "+
		"a run reads the same files in all its attempts, so put it back, or start a run with another ID", f.Size, what)}
}

// filesCursor is the cursor of an incremental source of files.
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

func (f newFile) byContent() digest { return digestOf("content", f.Name, f.Size, f.SHA256+f.Version) }
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

// Bound fixes the files that a run reads: those that match Path and are not in last, the cursor of the last committed
// run. It is what [pipeline.Cursored] asks of a source whose NewFiles is set. check, if it is not nil, looks at each.
//
// A file is known by its name below the pattern's fixed folder, its size and its content: on a disk its SHA-256, in
// other stores its Version where they have one. One that changed after it was read is new, and read whole; one that
// has the name, size and time of a file that was read is taken for it without looking inside. A retry reads the same
// files, and fails if one of them has changed or is gone. No file at all is no error.
func (in Input) Bound(ctx context.Context, last json.RawMessage, check func(File) error) (json.RawMessage, error) {
	before, err := in.parseCursor(last)
	if err != nil {
		return nil, err
	}
	next := filesCursor{Files: []newFile{}, Taken: before.Taken}
	for _, f := range before.Files {
		next.Taken.add(f.byContent())
		next.Taken.add(f.byTime())
	}
	infos, err := match(ctx, in.store(), in.Path)
	if err != nil && !(errors.Is(err, fs.ErrNotExist) && !hasMeta(in.Path)) { // not there yet
		return nil, err
	}
	if err != nil {
		infos = nil
	}
	var problems []error
	for _, info := range infos {
		found, err := in.look(ctx, &next, info)
		if err == nil && found && check != nil {
			err = check(File{Name: nameOf(info), Info: info})
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
func (in Input) look(ctx context.Context, next *filesCursor, info Info) (found bool, err error) {
	name := nameOf(info)
	if info.Size < 0 {
		return false, nameError(name, pipeline.Permanent(errors.New("NewFiles reads files whose size is known; this is a pipe, or its store does not tell")))
	}
	f := newFile{Name: strings.TrimPrefix(info.Name, fixedFolder(in.Path)), Size: info.Size, Modified: info.Modified.UTC()}
	_, disk := in.store().(Disk)
	if !disk && info.Version != "" {
		f.Version = info.Version
	} else {
		if !info.Modified.IsZero() && next.Taken.has(f.byTime()) {
			return false, nil
		}
		if f.SHA256, err = in.sumOf(ctx, info); err != nil {
			return false, err
		}
	}
	if next.Taken.has(f.byContent()) {
		next.Taken.add(f.byTime()) // it was only touched
		return false, nil
	}
	next.Files = append(next.Files, f)
	return true, nil
}

func (in Input) sumOf(ctx context.Context, info Info) (string, error) {
	r, err := in.store().Open(ctx, info, 0, -1)
	if err != nil {
		return "", err
	}
	defer r.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, r)
	if err == nil && n != info.Size {
		err = &changedError{fmt.Sprintf("the file changed while it was looked at, from %d to %d bytes: it is still being written", info.Size, n)}
	}
	if err != nil {
		return "", nameError(nameOf(info), err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// newFiles returns what the run's range says.
func (in Input) newFiles(ctx context.Context) ([]File, error) {
	rng, ok := pipeline.RangeFrom(ctx)
	if !ok {
		return nil, pipeline.Permanent(errors.New("NewFiles needs a pipeline with Options.State, and the source as a stage of its own"))
	}
	cursor, err := in.parseCursor(rng.To)
	if err != nil {
		return nil, err
	}
	found := make([]File, len(cursor.Files))
	for i := range cursor.Files {
		want := &cursor.Files[i]
		info, err := in.store().Stat(ctx, fixedFolder(in.Path)+want.Name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: the file was there when this run began and is gone; put it back, or start a run with another ID: %w",
				withoutSecrets(fixedFolder(in.Path)+want.Name), fs.ErrNotExist)
		}
		if err != nil {
			return nil, err
		}
		if info.Size != want.Size || want.Version != "" && info.Version != want.Version {
			return nil, nameError(nameOf(info), want.changed())
		}
		found[i] = File{Name: nameOf(info), Info: info, want: want}
	}
	return found, nil
}

func (in Input) parseCursor(raw json.RawMessage) (filesCursor, error) {
	var cursor filesCursor
	if len(raw) == 0 {
		return filesCursor{Taken: digests{}}, nil
	}
	if err := json.Unmarshal(raw, &cursor); err != nil {
		return cursor, pipeline.Permanent(fmt.Errorf("%s: the cursor is not one of files: %w", in.Path, err))
	}
	if cursor.Taken == nil {
		return cursor, pipeline.Permanent(fmt.Errorf("%s: the cursor is not one of files: was the stage another kind of source before?", in.Path))
	}
	return cursor, nil
}
