package structgen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/internal/csvcodec"
)

// Options say what is known of a file. The zero value finds out everything.
type Options struct {
	// Rows is how many records are looked at. Defaults to all.
	Rows int

	// Encoding is the text's, by its name at the IANA. Defaults to UTF-8 or UTF-16, and where the bytes are neither, to windows-1252.
	Encoding string

	// Header says whether the first line of a CSV file names the columns: yes or no. Defaults to what the line looks like.
	Header string
}

// sampleBytes is how much of a file's beginning decides its form and its delimiter.
const sampleBytes = 256 << 10

// source is a file that is looked at.
type source struct {
	Options
	input   files.Input
	file    files.File
	guessed bool // Encoding is a guess
	marked  bool // the file begins with a byte order mark
	skip    int  // lines before the header of a CSV file
}

// File looks at a file of CSV or JSON lines, packed or not, on this machine's disk or, by a URL, on a web server.
func File(ctx context.Context, name string, o Options) (*Program, error) {
	s := &source{Options: o, input: files.Input{Path: name}}
	if IsURL(name) {
		s.input.Store = files.HTTP{}
	}
	if name == files.Standard {
		return nil, errors.New("standard input can be read only once, and a file is read more than once: save it to a file")
	}
	found, err := s.input.Files(ctx)
	if err != nil {
		return nil, err
	}
	if len(found) > 1 {
		return nil, fmt.Errorf("%s: %d files match: name one of them, then set Path of what is printed to the pattern", name, len(found))
	}
	s.file = found[0]
	if !s.input.Again(s.file) {
		return nil, fmt.Errorf("%s: it can be read only once, and is read more than once: save it to a file", name)
	}
	if err := s.identify(ctx); err != nil {
		return nil, s.at(err)
	}
	sample, err := s.sample(ctx, false)
	if err != nil {
		return nil, s.at(err)
	}
	if s.isJSON(sample) {
		return s.json(ctx)
	}
	return s.csv(ctx)
}

// IsURL tells names of files on a web server.
func IsURL(name string) bool {
	u, err := url.Parse(name)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func (s *source) at(err error) error {
	if err == nil || strings.HasPrefix(err.Error(), s.file.Name+":") {
		return err
	}
	return fmt.Errorf("%s: %w", s.file.Name, err)
}

// identify finds what is no text at all, and UTF-16 without a mark.
func (s *source) identify(ctx context.Context) error {
	raw, err := s.sample(ctx, true)
	if err != nil {
		return err
	}
	if len(raw) == 0 {
		return errors.New("the file is empty: there is nothing to make a struct of")
	}
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		s.marked = s.marked || bytes.HasPrefix(raw, []byte(mark))
	}
	if s.Encoding != "" {
		return nil
	}
	if !s.marked {
		if scan, err := csvcodec.NewScanner(bytes.NewReader(raw), csvcodec.ScanOptions{}); err == nil {
			if err := scan.Identify(); err != nil && !strings.Contains(err.Error(), "UTF-16") {
				return err
			}
		}
		var zeros [2]int
		for i, c := range raw {
			if c == 0 {
				zeros[i%2]++
			}
		}
		switch half := len(raw) / 2; {
		case zeros[1] > half/2 && zeros[0] == 0:
			s.Encoding = "utf-16le"
		case zeros[0] > half/2 && zeros[1] == 0:
			s.Encoding = "utf-16be"
		case zeros[0]+zeros[1] > 0:
			return fmt.Errorf("byte %d is NUL: the file is binary, neither CSV nor JSON lines", bytes.IndexByte(raw, 0)+1)
		}
	}
	return nil
}

// open opens the file in the encoding that is known so far.
func (s *source) open(ctx context.Context) (*files.Contents, error) {
	in := s.input
	in.Encoding = s.Encoding
	return in.Open(ctx, s.file, nil)
}

// sample returns the file's beginning, raw or as text, up to a line end where it is cut.
func (s *source) sample(ctx context.Context, raw bool) ([]byte, error) {
	in := s.input
	in.Binary = raw
	if !raw {
		in.Encoding = s.Encoding
	}
	c, err := in.Open(ctx, s.file, nil)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	b := make([]byte, sampleBytes)
	n, err := io.ReadFull(c, b)
	switch {
	case err == nil && !raw:
		if i := bytes.LastIndexByte(b, '\n'); i > 0 {
			n = i + 1
		}
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, err
	}
	return b[:n], nil
}

// isJSON goes by the extension, and else by the first character.
func (s *source) isJSON(sample []byte) bool {
	name, _, _ := strings.Cut(strings.ToLower(s.input.Path), "?")
	for {
		switch ext := path.Ext(name); ext {
		case ".gz", ".zst", ".bz2", ".xz", ".zip":
			name = strings.TrimSuffix(name, ext)
			continue
		case ".json", ".jsonl", ".ndjson", ".geojson":
			return true
		case ".csv", ".tsv", ".psv", ".tab":
			return false
		}
		break
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(sample, []byte("\xef\xbb\xbf")))
	return bytes.HasPrefix(text, []byte("{\"")) || bytes.HasPrefix(text, []byte("[{"))
}

// utf8Count tells text in UTF-8 with a few bad bytes from text in another encoding.
type utf8Count struct{ good, bad int }

func (u *utf8Count) add(b []byte) {
	for len(b) > 0 {
		if b[0] < utf8.RuneSelf {
			b = b[1:]
			continue
		}
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size <= 1 {
			u.bad++
		} else {
			u.good++
		}
		b = b[size:]
	}
}

// guess takes the next encoding that the bytes may be in. It returns false where there is none to try.
func (s *source) guess(u utf8Count) bool {
	if u.bad == 0 || s.marked || u.good > u.bad {
		return false
	}
	switch {
	case s.Encoding == "":
		s.Encoding, s.guessed = "windows-1252", true
	case s.guessed && s.Encoding == "windows-1252":
		s.Encoding = "iso-8859-1"
	default:
		return false
	}
	return true
}

// place writes what the sources of all forms have in common: where the file is, and its encoding.
func (s *source) place(p *Program) []string {
	literal := []string{"Path: " + strconv.Quote(s.input.Path)}
	if s.input.Store != nil {
		literal = append(literal, "Store: "+p.needs("files.HTTP")+"{}")
	}
	if s.Encoding != "" {
		literal = append(literal, "Encoding: "+strconv.Quote(s.Encoding))
	}
	if s.guessed {
		p.warn("The text is not UTF-8, and nothing says what it is: %s is a guess. Look at its accents.", s.Encoding)
	}
	if s.Rows > 0 {
		p.warn("Only the first %d records were looked at: those behind them may hold something else.", s.Rows)
	}
	return literal
}
