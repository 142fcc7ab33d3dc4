package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/pipeline"
)

// Markdown is a sink that writes files as a Markdown table. The table appears at Path when the whole run has succeeded,
// and otherwise not at all: it is a unit of the run.
type Markdown struct{ Path string }

// Serial says that Load must see its whole input in one call.
func (Markdown) Serial() {}

// Load writes the table beside Path.
func (m Markdown) Load(ctx context.Context, in *pipeline.Reader[File]) error {
	page, err := pipeline.Join(ctx, pageKey(m.Path), func(context.Context) (*page, error) { return newPage(m.Path) })
	if err != nil {
		return err
	}
	w := bufio.NewWriter(page.file)
	fmt.Fprint(w, "| path | bytes |\n| --- | ---: |\n") // w keeps the first error for Flush
	for file, err := range in.All() {
		if err != nil {
			return err // not the end: the page must not be taken for whole
		}
		fmt.Fprintf(w, "| %s | %d |\n", strings.ReplaceAll(file.Path, "|", `\|`), file.Size)
	}
	return w.Flush()
}

// pageKey is the key of a page among the units of a run; its type is our own, so that it meets no other.
type pageKey string

// page is a file that is written beside its target, and renamed when the run commits.
type page struct {
	target string
	file   *os.File
}

func newPage(target string) (*page, error) {
	file, err := os.CreateTemp(filepath.Dir(target), ".customstage-*") // a rename stays within a folder
	if err != nil {
		return nil, err
	}
	return &page{target, file}, nil
}

// Name says what it is.
func (p *page) Name() string { return "page " + p.target }

// Phase says that it commits after databases would.
func (p *page) Phase() pipeline.Phase { return pipeline.PhaseFiles }

// Prepare does what can still fail.
func (p *page) Prepare(context.Context) error {
	return errors.Join(p.file.Chmod(0o644), p.file.Sync(), p.file.Close())
}

// Commit makes the page visible.
func (p *page) Commit(context.Context) error { return os.Rename(p.file.Name(), p.target) }

// Rollback leaves nothing. It may come after Prepare.
func (p *page) Rollback(context.Context) error {
	_ = p.file.Close() // what it would say does not matter any more
	return os.Remove(p.file.Name())
}
