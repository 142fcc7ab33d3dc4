package files_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
)

// Letters is a sink of somebody's own: it writes a file in a form of its own, which appears with the run's commit.
type Letters struct{ files.Output }

// Load writes a paragraph for each name.
func (s Letters) Load(ctx context.Context, in *pipeline.Reader[string]) error {
	w, err := s.Create(ctx)
	if err != nil {
		return err
	}
	for name, err := range in.All() {
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, "Dear "+name+",\n"); err != nil {
			return err
		}
	}
	return w.Close()
}

func ExampleOutput() {
	dir, err := os.MkdirTemp("", "letters-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "letters.txt")

	p := pipeline.New("letters", pipeline.Options{})
	names := pipeline.From(p, "names", pipeline.SourceFunc[string](func(_ context.Context, out *pipeline.Writer[string]) error {
		return out.WriteBatch([]string{"Ann", "Bo"})
	}))
	pipeline.To(names, "letters", Letters{files.Output{Path: path}})
	if _, err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	text, err := os.ReadFile(path)
	fmt.Print(string(text), err)
	// Output:
	// Dear Ann,
	// Dear Bo,
	// <nil>
}
