package sources_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
	"github.com/millrace/millrace/sources"
)

// TestConformance holds the sources to what any source has to do.
func TestConformance(t *testing.T) {
	dir := t.TempDir()
	content := string(bigFile(3_000, ","))
	some := pipelinetest.WithOptions(pipeline.Options{MaxRejects: -1})
	for name, source := range map[string]sources.CSV[sale]{
		"plain":  {Path: file(t, dir, "a.csv", content)},
		"gzip":   {Path: file(t, dir, "a.csv.gz", pack(t, files.Gzip, content))},
		"zstd":   {Path: file(t, dir, "a.csv.zst", pack(t, files.Zstd, content))},
		"opened": {Path: "input", Store: opens(content)},
		"empty":  {Path: file(t, dir, "empty.csv", "id,product,quantity\n")},
	} {
		t.Run("CSV "+name, func(t *testing.T) { pipelinetest.CheckSource[sale](t, source, some) })
	}
	t.Run("CSV of several files", func(t *testing.T) {
		file(t, dir, "many/1.csv", "id,product,quantity\n"+strings.Repeat("1,tea,3\n", 1000))
		file(t, dir, "many/2.csv", "quantity,id,product\n"+strings.Repeat("1,3,tea\n", 1000))
		pipelinetest.CheckSource[sale](t, sources.CSV[sale]{Path: dir + "/many/*.csv"})
	})
	t.Run("Slice", func(t *testing.T) { pipelinetest.CheckSource[int](t, make(sources.Slice[int], 2000)) })
}
