package salesetl

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/millrace/millrace/dialect"
	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

// inStoreFile is the CSV file of the sales in stores. To a CSV source a file without records is an empty input; here it
// is an error, since it would empty the tables.
type inStoreFile struct{ sources.CSV[Sale] }

// newInStoreFile reads the sales in stores from path, or the bundled ones.
func newInStoreFile(path string) inStoreFile {
	// With the layout a time of day, which a date would drop, is an error.
	file := sources.CSV[Sale]{Path: path, Dialect: dialect.CSV{Layout: time.DateOnly}}
	if path == "" {
		file.Path, file.Store = BundledCSV, files.FS(Bundled())
	}
	return inStoreFile{file}
}

// Validate checks the file's header, and that there is something below it.
func (f inStoreFile) Validate(ctx context.Context) error {
	if err := f.CSV.Validate(ctx); err != nil {
		return err
	}
	if f.Store != nil {
		return nil // the bundled one
	}
	if info, err := os.Stat(f.Path); err != nil || !info.Mode().IsRegular() {
		return nil // a pattern, or a pipe, which can be read only once
	}
	for _, err := range pipeline.Records(ctx, f.CSV) {
		_ = err // the run will tell it, with all that it knows
		return nil
	}
	return pipeline.Permanent(fmt.Errorf("%s: there is a header and no record below it", f.Path))
}
