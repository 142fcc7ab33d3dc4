//go:build unix

package sources_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

func namedPipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	check(t, syscall.Mkfifo(path, 0o600))
	return path
}

func TestNamedPipe(t *testing.T) {
	path := namedPipe(t)
	wrote := make(chan error)
	go func() { wrote <- os.WriteFile(path, []byte("id,product,quantity\n1,tea,3\n"), 0) }()
	got, _, err := run(t, sources.CSV[sale]{Path: path}, pipeline.Options{})
	if want := []sale{{1, "tea", 3}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	check(t, <-wrote)
}

func TestCancelWhileNobodyWritesToANamedPipe(t *testing.T) {
	path := namedPipe(t)
	p := pipeline.New("test", pipeline.Options{})
	started := make(chan struct{})
	pipeline.To(pipeline.From(p, "extract", sources.CSV[sale]{Path: path}), "load", pipeline.SinkFunc[sale](func(ctx context.Context, in *pipeline.Reader[sale]) error {
		close(started)
		for _, err := range in.All() {
			return err
		}
		return nil
	}))
	e := p.Start(t.Context())
	<-started
	e.Cancel(nil)
	if _, err := e.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
} // goleak finds it if somebody still waits for a writer

func TestNewFilesRefusesANamedPipe(t *testing.T) {
	path := namedPipe(t)
	_, _, err := run(t, sources.CSV[sale]{Path: path, NewFiles: true}, pipeline.Options{State: newMemoryState()})
	if want := "test: extract: " + path + ": NewFiles reads files whose size is known; this is a pipe, or its store does not tell"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
