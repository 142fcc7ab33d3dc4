package transforms

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/pipeline"
)

// function is one that a stage cannot do without.
type function struct {
	name    string
	missing bool
}

// missing returns an error that names the functions which are nil, if any.
func missing(stage string, functions ...function) error {
	var names []string
	for _, f := range functions {
		if f.missing {
			names = append(names, f.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	verb := "is"
	if len(names) > 1 {
		verb = "are"
	}
	return pipeline.Permanent(fmt.Errorf("transforms.%s: %s %s nil: it cannot work without", stage, strings.Join(names, " and "), verb))
}

// passOn writes what a stage left of a batch.
func passOn[T any](in *pipeline.Reader[T], out *pipeline.Writer[T], batch []T) error {
	if len(batch) == 0 {
		in.Recycle(batch)
		return nil
	}
	return out.WriteBatch(batch)
}
