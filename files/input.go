package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/pipeline"
)

// Input says which files are read, and how their bytes become text. A source of files makes one of its fields. It is
// configuration: making one does no I/O, and it serves many runs at once.
type Input struct {
	// Path is a file of Store; a pattern, whose files are read in sorted order; or - for standard input, without a
	// Store. In a pattern * and ? stand for characters of a name, ** for any folders, [ ] for one of some characters,
	// { , } for one of some texts, and \ takes the next character as it is. A file whose name merely looks like a
	// pattern is found.
	Path string

	// Store is where the files are. Defaults to [Disk].
	Store Store

	// Compression defaults to what a file's name, or its first bytes, say.
	Compression Compression

	// Encoding is the text's, by its name at the IANA, such as windows-1252. Defaults to UTF-8, or UTF-16 where a byte
	// order mark says so. What the encoding does not define reaches the form as the byte 0xFF, which no text in UTF-8
	// holds, so that its record is rejected in its place.
	Encoding string

	// Binary says that the form is no text: nothing is decoded.
	Binary bool

	// NewFiles makes the input incremental: see [Input.Bound].
	NewFiles bool
}

// File is one file of an [Input], or a part of one.
type File struct {
	Name string // for messages and rejects
	Info Info

	// From and To bound a part, in bytes; To 0 is no part but the whole file.
	From, To int64

	want *newFile // for NewFiles: what it must be
}

// String returns the name.
func (f File) String() string { return f.Name }

func (in Input) store() Store {
	if in.Store == nil {
		return Disk{}
	}
	return in.Store
}

// Describe says in a few words which files they are.
func (in Input) Describe() string {
	switch {
	case in.Path == Standard:
		return "standard input"
	case hasMeta(in.Path):
		return in.Path
	}
	return path.Base(filepath.ToSlash(in.Path))
}

// Check finds what is wrong with the settings, whatever the files are.
func (in Input) Check() error {
	_, unknown := encodingOf(in.Encoding)
	switch {
	case in.Path == "":
		return errors.New("no Path is set")
	case in.Path == Standard && in.Store != nil:
		return errors.New("the Path - is standard input: leave Store out")
	case in.Path == Standard && in.NewFiles:
		return errors.New("NewFiles is for files: set Path to one or to a pattern")
	case in.Store == nil && schemeOf(in.Path) != "":
		return fmt.Errorf("the Path %q is no path of this machine's disk: set Store (files.HTTP for https, module blob for buckets)",
			withoutSecrets(in.Path))
	case in.Binary && in.Encoding != "":
		return errors.New("an Encoding is for text")
	case !in.Binary && unknown != nil:
		return unknown
	}
	return in.Compression.check(false)
}

// schemeOf returns the scheme of what looks like a URL.
func schemeOf(name string) string {
	scheme, _, ok := strings.Cut(name, "://")
	if !ok || scheme == "" || strings.ContainsFunc(scheme, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '+' || r == '-' || r == '.')
	}) {
		return ""
	}
	return scheme
}

// Files lists what Path names, or, with NewFiles, what the run whose context it is has to read.
func (in Input) Files(ctx context.Context) ([]File, error) {
	switch {
	case in.NewFiles:
		return in.newFiles(ctx)
	case in.Path == Standard:
		return []File{{Name: "standard input", Info: Info{Name: Standard, Size: -1}}}, nil
	}
	infos, err := match(ctx, in.store(), in.Path)
	if err != nil {
		return nil, err
	}
	if len(infos) == 0 {
		return nil, fmt.Errorf("%s: no file matches", in.Path)
	}
	found := make([]File, len(infos))
	for i, info := range infos {
		found[i] = File{Name: nameOf(info), Info: info}
	}
	return found, nil
}

// nameOf is a file's name for messages.
func nameOf(info Info) string { return withoutSecrets(info.Name) }

// Again tells whether a file can be read twice: for a look at its header, and for the rest.
func (in Input) Again(f File) bool { return f.Info.Size >= 0 || in.Store != nil }

// Contents are the bytes of a file, unpacked and decoded.
type Contents struct {
	text io.Reader
	raw  rawInput
	stop []func()
	asIs bool
}

// Open opens a file, or a part of one. Reads end with ctx. Before a Read that may wait for the input, idle is called, if
// it is not nil: what was read so far can be passed on. The caller calls Close.
func (in Input) Open(ctx context.Context, f File, idle func() error) (*Contents, error) {
	raw, err := in.openRaw(ctx, f, idle)
	if err != nil {
		return nil, err
	}
	c := &Contents{text: raw, raw: raw, stop: []func(){raw.close}, asIs: true}
	if f.To > 0 { // only files that are read as they are have parts
		return c, nil
	}
	if err := in.unpack(c, f); err != nil {
		c.Close()
		return nil, nameError(f.Name, err)
	}
	return c, nil
}

func (in Input) unpack(c *Contents, f File) error {
	u, buffered, err := unpack(c.raw, in.Compression.of(f.Info.Name))
	if err != nil {
		return err
	}
	c.text = buffered
	if u != nil {
		c.text, c.asIs = u, false
		c.stop = append(c.stop, u.close)
	}
	if in.Binary {
		return nil
	}
	text, plain, err := decoded(c.text, in.Encoding)
	if err != nil {
		return pipeline.Permanent(err)
	}
	c.text = text
	c.asIs = c.asIs && plain
	return nil
}

// Read implements io.Reader. Its errors do not name the file.
func (c *Contents) Read(p []byte) (int, error) { return c.text.Read(p) }

// Bytes is how many bytes of the store were read so far.
func (c *Contents) Bytes() int64 { return c.raw.count() }

// At returns the file itself, if its bytes can be read at any offset and are what Read returns: such a file can be
// read in parts.
func (c *Contents) At() (at io.ReaderAt, size int64, ok bool) {
	if !c.asIs {
		return nil, 0, false
	}
	return c.raw.at()
}

// Close releases what the contents hold.
func (c *Contents) Close() {
	for len(c.stop) > 0 {
		last := len(c.stop) - 1
		c.stop[last]()
		c.stop = c.stop[:last]
	}
}
