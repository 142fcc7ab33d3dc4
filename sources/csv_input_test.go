package sources_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/dialect"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

// withStdin gives the test a pipe as standard input and returns its other end.
func withStdin(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdin
	os.Stdin = r
	t.Cleanup(func() {
		os.Stdin = old
		_ = w.Close() // perhaps for the second time
		check(t, r.Close())
	})
	return w
}

func TestStandardInputIsReadOnce(t *testing.T) {
	w := withStdin(t)
	if _, err := w.WriteString("id,product,quantity\n1,tea,3\n"); err != nil {
		t.Fatal(err)
	}
	check(t, w.Close())
	got, _, err := run(t, sources.CSV[sale]{Path: "-"}, pipeline.Options{})
	if want := []sale{{1, "tea", 3}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, %v", got, err)
	}
	_, _, err = run(t, sources.CSV[sale]{Path: "-"}, pipeline.Options{})
	if want := "test: extract: standard input: it was read before, and can be read only once"; err == nil || err.Error() != want || !pipeline.IsPermanent(err) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestStandardInputWithoutAColumnFailsAtTheStart(t *testing.T) {
	w := withStdin(t)
	if _, err := w.WriteString("id,product\n"); err != nil {
		t.Fatal(err)
	}
	_, _, err := run(t, sources.CSV[sale]{Path: "-"}, pipeline.Options{})
	if err == nil || !strings.Contains(err.Error(), `standard input: line 1: column "quantity" is missing`) {
		t.Errorf("got %v", err)
	}
}

// TestRecordsDoNotLieStill says that what a slow input has given is passed on
// before the next wait.
func TestRecordsDoNotLieStill(t *testing.T) {
	w := withStdin(t)
	first := make(chan sale)
	p := pipeline.New("test", pipeline.Options{})
	pipeline.To(pipeline.From(p, "extract", sources.CSV[sale]{Path: "-"}), "load",
		pipeline.SinkFunc[sale](func(ctx context.Context, in *pipeline.Reader[sale]) error {
			for s, err := range in.All() {
				if err != nil {
					return err
				}
				first <- s
			}
			return nil
		}))
	e := p.Start(t.Context())
	for i, line := range []string{"id,product,quantity\n1,tea,3\n2,m", "ug,4\n"} {
		if _, err := w.WriteString(line); err != nil {
			t.Fatal(err)
		}
		select {
		case s := <-first:
			if s.ID != int64(i+1) {
				t.Errorf("got %v", s)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the record waits for more input")
		}
	}
	check(t, w.Close())
	if _, err := e.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestCancelWhileTheInputWaits(t *testing.T) {
	head := "id,product,quantity\n1,tea,3\n"
	stdin := func(t *testing.T) (sources.CSV[sale], func()) {
		w := withStdin(t)
		if _, err := w.WriteString(head); err != nil {
			t.Fatal(err)
		}
		return sources.CSV[sale]{Path: "-"}, func() { check(t, w.Close()) } // standard input is not ours to close: its reader stays
	}
	opened := func(t *testing.T) (sources.CSV[sale], func()) {
		var opens atomic.Int32
		return sources.CSV[sale]{Path: "input", Store: opener(func(context.Context) (io.ReadCloser, error) {
			if opens.Add(1) == 1 { // the look at the header
				return io.NopCloser(strings.NewReader(head)), nil
			}
			r, w := io.Pipe()
			go io.WriteString(w, head) //nolint:errcheck // the reader may be gone before
			return r, nil
		})}, func() {}
	}
	for name, start := range map[string]func(*testing.T) (sources.CSV[sale], func()){"standard input": stdin, "what Open gave": opened} {
		t.Run(name, func(t *testing.T) {
			source, release := start(t)
			loaded := make(chan struct{})
			p := pipeline.New("test", pipeline.Options{})
			pipeline.To(pipeline.From(p, "extract", source), "load", pipeline.SinkFunc[sale](func(ctx context.Context, in *pipeline.Reader[sale]) error {
				for _, err := range in.All() {
					if err != nil {
						return err
					}
					close(loaded)
				}
				return nil
			}))
			e := p.Start(t.Context())
			<-loaded // the source waits for more now, or soon
			why := errors.New("the user went home")
			began := time.Now()
			e.Cancel(why)
			_, err := e.Wait()
			if !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("the cancellation took %v", took)
			}
			release()
		})
	}
}

func TestAFileThatChangesWhileItIsRead(t *testing.T) {
	line := "1,tea,3\n"
	content := "id,product,quantity\n" + strings.Repeat(line, 100_000) // more than is read ahead
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, path string)
		want   string
	}{
		{"it shrinks", func(t *testing.T, path string) { check(t, os.Truncate(path, 400_000)) }, "the file shrank while it was read, from 800020 to 400000 bytes"},
		{"it shrinks to nothing", func(t *testing.T, path string) { check(t, os.Truncate(path, 0)) }, "the file shrank while it was read, from 800020 to 0 bytes"},
		{"it grows", func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			check(t, err)
			_, err = f.WriteString(line)
			check(t, err)
			check(t, f.Close())
		}, "the file grew while it was read, from 800020 to 800028 bytes: it is still being written"},
		{"it is overwritten", func(t *testing.T, path string) {
			check(t, os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)))
		}, "the file was written to or replaced while it was read"},
		{"another one takes its name, which is fine", func(t *testing.T, path string) {
			other := file(t, t.TempDir(), "other.csv", "x")
			check(t, os.Rename(other, path))
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := file(t, t.TempDir(), "sales.csv", content)
			n := 0
			p := pipeline.New("test", pipeline.Options{BatchSize: 16, Buffer: 1})
			pipeline.To(pipeline.From(p, "extract", sources.CSV[sale]{Path: path}), "load", pipeline.SinkFunc[sale](func(ctx context.Context, in *pipeline.Reader[sale]) error {
				for batch, err := range in.Batches() {
					if err != nil {
						return err
					}
					if n == 0 {
						tt.change(t, path)
					}
					n += len(batch)
				}
				return nil
			}))
			_, err := p.Run(t.Context())
			if tt.want == "" {
				if err != nil || n != 100_000 {
					t.Errorf("got %d records, %v", n, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path+": line ") {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if pipeline.IsPermanent(err) {
				t.Error("the file may be whole at the next attempt, but the error is permanent")
			}
		})
	}
}

// TestOpenIsGivenBack counts that everything that was opened is closed, however the run ends.
func TestOpenIsGivenBack(t *testing.T) {
	for _, tt := range []struct {
		name    string
		content string
	}{{"a good file", "id,product,quantity\n1,tea,3\n"}, {"a bad header", "id\n"}, {"a bad record", "id,product,quantity\nx\n"}, {"nothing", ""}, {"bad gzip", "\x1f\x8b????????????"}} {
		t.Run(tt.name, func(t *testing.T) {
			var opened, closed atomic.Int32
			source := sources.CSV[sale]{Path: "input", Store: opener(func(context.Context) (io.ReadCloser, error) {
				opened.Add(1)
				return closing{strings.NewReader(tt.content), &closed}, nil
			})}
			if _, _, err := run(t, source, pipeline.Options{}); (err == nil) != (tt.name == "a good file") {
				t.Errorf("got %v", err)
			}
			if opened.Load() == 0 || opened.Load() != closed.Load() {
				t.Errorf("opened %d times, closed %d times", opened.Load(), closed.Load())
			}
		})
	}
}

type closing struct {
	io.Reader
	n *atomic.Int32
}

func (c closing) Close() error { c.n.Add(1); return nil }

func TestOddReaders(t *testing.T) {
	content := "id,product,quantity\n1,\"te\"\"a\",3\r\n2,mug,4\n"
	want := []sale{{1, `te"a`, 3}, {2, "mug", 4}}
	for name, reader := range map[string]func() io.Reader{
		"a byte at a time":          func() io.Reader { return oneByte{strings.NewReader(content)} },
		"data together with io.EOF": func() io.Reader { return &withEOF{content} },
		"empty reads between":       func() io.Reader { return &stuttering{r: strings.NewReader(content)} },
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := run(t, sources.CSV[sale]{Path: "input", Store: opener(func(context.Context) (io.ReadCloser, error) { return io.NopCloser(reader()), nil })}, pipeline.Options{})
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	for name, tt := range map[string]struct {
		r    io.Reader
		want string
	}{
		"never anything":      {silent{}, io.ErrNoProgress.Error()},
		"an impossible count": {lying{}, "the reader returned an impossible count"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := run(t, sources.CSV[sale]{Path: "input", Store: opener(func(context.Context) (io.ReadCloser, error) { return io.NopCloser(tt.r), nil })}, pipeline.Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }

type withEOF struct{ rest string }

func (w *withEOF) Read(p []byte) (int, error) {
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	if w.rest == "" {
		return n, io.EOF
	}
	return n, nil
}

type stuttering struct {
	r io.Reader
	n int
}

func (s *stuttering) Read(p []byte) (int, error) {
	if s.n++; s.n%3 != 0 {
		return 0, nil
	}
	return s.r.Read(p[:min(len(p), 5)])
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

type lying struct{}

func (lying) Read(p []byte) (int, error) { return len(p) + 1, nil }

func TestOneValueServesManyRunsAtOnce(t *testing.T) {
	source := sources.CSV[sale]{Path: file(t, t.TempDir(), "sales.csv", "id,product,quantity\n"+strings.Repeat("1,tea,3\n", 5000))}
	errs := make(chan error)
	for range 8 {
		go func() {
			got, _, err := run(t, source, pipeline.Options{})
			if err == nil && len(got) != 5000 {
				err = errors.New("records are missing")
			}
			errs <- err
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestSlice(t *testing.T) {
	numbers := make(sources.Slice[int], 1234)
	for i := range numbers {
		numbers[i] = i
	}
	for _, lanes := range []int{1, 2, 7} {
		got, _, err := run(t, numbers, pipeline.Options{}, pipeline.Parallel(lanes))
		check(t, err)
		seen := map[int]bool{}
		for i, n := range got {
			if seen[n] = true; lanes == 1 && n != i {
				t.Fatalf("record %d is %d", i, n)
			}
		}
		if len(got) != len(numbers) || len(seen) != len(numbers) {
			t.Errorf("%d lanes: %d records, %d different ones", lanes, len(got), len(seen))
		}
	}
	if got, _, err := run(t, sources.Slice[int]{}, pipeline.Options{}, pipeline.Parallel(3)); err != nil || len(got) != 0 {
		t.Errorf("an empty slice: %v, %v", got, err)
	}
}

// TestSliceIsNotChanged says that what later stages do to their records does not
// reach the slice, which may be read again.
func TestSliceIsNotChanged(t *testing.T) {
	numbers := sources.Slice[int]{1, 2, 3}
	p := pipeline.New("test", pipeline.Options{})
	pipeline.To(pipeline.From(p, "numbers", numbers), "spoil", pipeline.SinkFunc[int](func(ctx context.Context, in *pipeline.Reader[int]) error {
		for batch, err := range in.Batches() {
			if err != nil {
				return err
			}
			clear(batch)
		}
		return nil
	}))
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := (sources.Slice[int]{1, 2, 3}); !reflect.DeepEqual(numbers, want) {
		t.Errorf("got %v", numbers)
	}
}

func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"id,product,quantity\n1,tea,3\n", "id,product,quantity\r\n1,\"t\"\"a\",3\r\n\r\n,,\n", "\xef\xbb\xbfid,product,quantity\n1,te\"a,3\n2,\"x",
		"id,product,quantity\nabc,\xff,9999999999\n1\n1,2,3,4\n#c\n", "", "\x1f\x8b\x08", "\x28\xb5\x2f\xfd", "id,product,quantity\n\x00,\x00,\x00\n",
	} {
		f.Add([]byte(seed), byte(','), byte(0), 0)
		f.Add([]byte(seed), byte(';'), byte('#'), 64)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte, comma, comment byte, maxRecord int) {
		path := filepath.Join(dir, "fuzz.csv")
		check(t, os.WriteFile(path, data, 0o600))
		source := sources.CSV[sale]{Path: path, Dialect: dialect.CSV{Delimiter: string(rune(comma)), Comment: strings.Trim(string(rune(comment)), "\x00")}, MaxRecord: maxRecord}
		got, rejects, report, err := runWithRejects(t, source, pipeline.Options{MaxRejects: -1})
		if err != nil {
			return // the header, the options, or the packing
		}
		stage := report.Stage("extract")
		if int64(len(got)) != stage.RecordsOut || int64(len(rejects)) != stage.Rejects {
			t.Errorf("loaded %d of %d, %d of %d rejects", len(got), stage.RecordsOut, len(rejects), stage.Rejects)
		}
		// Rejects stand in their place, in order, and never overlap.
		end := int64(0)
		for _, r := range rejects {
			if r.Offset < end || r.Line < 1 || r.Reason == "" || r.Source != path {
				t.Errorf("a reject out of place: %+v", r)
			}
			end = r.Offset + int64(len(r.Raw))
			if packed := strings.HasPrefix(string(data), "\x1f\x8b") || strings.HasPrefix(string(data), "\x28\xb5\x2f\xfd"); packed || r.Raw == nil {
				continue
			}
			if string(data[r.Offset:end]) != string(r.Raw) {
				t.Errorf("the raw record is not what stands there: %q", r.Raw)
			}
			if line := int64(1 + strings.Count(string(data[:r.Offset]), "\n")); line != r.Line {
				t.Errorf("the reject is said to be in line %d, and is in line %d", r.Line, line)
			}
		}
	})
}
