package files

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/millrace/millrace/pipeline"
)

// Standard is the path that stands for standard input or output.
const Standard = "-"

// stdin is the file that was last read as standard input.
var stdin struct {
	sync.Mutex
	taken *os.File
}

func takeStdin() (*os.File, error) {
	stdin.Lock()
	defer stdin.Unlock()
	if stdin.taken == os.Stdin {
		return nil, pipeline.Permanent(errors.New("it was read before, and can be read only once"))
	}
	stdin.taken = os.Stdin
	return os.Stdin, nil
}

// openPipe opens a named pipe, which waits for somebody to open its other end. When
// ctx ends first, it opens that itself for a moment, so that nothing is left waiting.
func openPipe(ctx context.Context, path string) (*os.File, error) {
	type opened struct {
		file *os.File
		err  error
	}
	ch := make(chan opened, 1)
	go func() {
		file, err := os.Open(path)
		ch <- opened{file, err}
	}()
	select {
	case o := <-ch:
		return o.file, o.err
	case <-ctx.Done():
	}
	// The other end cannot be opened before this one is being opened, hence again and
	// again; and not at all if the pipe is gone or may not be written to.
	for range 1000 {
		if w, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			_ = w.Close() // nothing was written
		}
		select {
		case o := <-ch:
			if o.err == nil {
				_ = o.file.Close() // nothing was read
			}
			return nil, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return nil, ctx.Err()
}
