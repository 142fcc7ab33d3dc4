package salesetl

import (
	"embed"
	"io/fs"
)

//go:generate go test -run ^TestBundledFileIsWhatTheGeneratorWrites$ -update .

// BundledCSV is the name of the file in Bundled.
const BundledCSV = "in_store_sales.csv"

//go:embed in_store_sales.csv
var bundled embed.FS

// Bundled holds in_store_sales.csv: InStoreRows sales in stores, what WriteInStoreCSV writes, so that the sales job has
// something to read when nobody gives it a file.
func Bundled() fs.FS { return bundled }
