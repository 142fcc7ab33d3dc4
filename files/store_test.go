package files_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/files/filestest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// withFolders makes the folders that names lead to, which a disk wants and other stores do not know.
type withFolders struct{ files.Disk }

func (d withFolders) Create(ctx context.Context, name string) (files.Draft, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	return d.Disk.Create(ctx, name)
}

func TestDiskKeepsTheRules(t *testing.T) {
	dir := filepath.ToSlash(t.TempDir()) + "/"
	for i, name := range []string{"x.csv", "y/b.csv", "y/c/d.csv"} {
		write(t, dir+name, string(make([]byte, 1000*i)))
	}
	filestest.Check(t, files.Disk{}, dir, map[string][]byte{"x.csv": {}, "y/b.csv": make([]byte, 1000), "y/c/d.csv": make([]byte, 2000)})
	filestest.CheckWritable(t, withFolders{}, filepath.ToSlash(t.TempDir())+"/")
}

func TestFSKeepsTheRules(t *testing.T) {
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	want := map[string][]byte{"x.csv": []byte("x"), "in/b.csv": make([]byte, 1000), "in/c/d.csv": make([]byte, 2000)}
	fsys, dated := fstest.MapFS{}, fstest.MapFS{}
	for name, content := range want {
		fsys[name] = &fstest.MapFile{Data: content}
		dated[name] = &fstest.MapFile{Data: content, ModTime: at}
	}
	filestest.Check(t, files.FS(fsys), "", want)
	filestest.Check(t, files.FS(dated), "", want)
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
