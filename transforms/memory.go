package transforms

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/spill"
	"github.com/millrace/millrace/pipeline"
)

// DefaultMaxMemory is how many bytes a stage holds before it goes on in files, unless
// its MaxMemory says otherwise: 256 MiB.
const DefaultMaxMemory = 256 << 20

// memory is the setting of one stage.
type memory struct {
	stage string // "GroupBy", for errors
	max   int64
	dir   string
}

// validate checks the setting and, where it was made, that what would have to go to files can:
// types are the errors about that.
func (m memory) validate(types ...error) error {
	if m.max < 0 {
		return pipeline.Permanent(fmt.Errorf("transforms.%s: MaxMemory is %d: say how many bytes it may hold, or 0 for %d", m.stage, m.max, int64(DefaultMaxMemory)))
	}
	if m.max > 0 {
		if err := errors.Join(types...); err != nil {
			return m.cannotSpill(err)
		}
	}
	return nil
}

func (m memory) limit() int64 {
	if m.max <= 0 { // a stage that is run by hand, without Validate
		return DefaultMaxMemory
	}
	return m.max
}

func (m memory) folder() *spill.Folder { return spill.NewFolder(m.dir, m.limit()) }

// cannotSpill is the error of a stage whose records do not fit into its memory and cannot go to files.
func (m memory) cannotSpill(err error) error {
	return pipeline.Permanent(fmt.Errorf("transforms.%s: what exceeds MaxMemory (%d bytes) goes to temporary files, but a %w", m.stage, m.limit(), err))
}

// closeFolder is deferred: what a stage returns wins over what cannot be removed.
func closeFolder(folder *spill.Folder, err *error) {
	if failed := folder.Close(); *err == nil {
		*err = failed
	}
}

// canSpill tells what is wrong with a type, nil if nothing is.
func canSpill[T any]() error {
	_, err := spill.NewCodec[T]()
	return err
}
