// Package parquet reads and writes Parquet files, on a disk or in any other store of package files. It is a module of its
// own: what it brings is in nobody's go.sum who does not want it.
//
//	         files.Store                                               files.Writable
//	┌──────────────────────────────┐                          ┌──────────────────────────────┐
//	│ footer, then of each row     │  Source[T]      Sink[T]  │ row groups of some MiB, then │
//	│ group only the columns that  │──────────▶ ... ─────────▶│ the footer; the name at the  │
//	│ T has                        │                          │ run's commit                 │
//	└──────────────────────────────┘                          └──────────────────────────────┘
//
// The fields of T are columns by the tags of github.com/parquet-go/parquet-go:
//
//	type Sale struct {
//		Product string    `parquet:"product"`
//		Price   int64     `parquet:"price,decimal(2:12)"` // in cents
//		Sold    time.Time `parquet:"sold,timestamp(microsecond)"`
//		Remark  *string   `parquet:"remark"`             // a column that may be NULL
//		Tags    []string  `parquet:"tags,list"`
//	}
//
// # Nothing changes in silence
//
// A column of a file must be able to give its field the very same value: a narrower type, another unit of time, another
// scale of a decimal, a column that is missing are errors of the validation, which say what to write instead. Columns that T
// does not name are not read. A NULL for a field that is no pointer (and does not say optional in its tag, by which NULL is
// the zero value) is a reject. So is a record that the file cannot hold as it is: a time with more digits than its unit, a
// text that is not UTF-8, a decimal with too many digits. A date is a time.Time when it is read, and an int32 (the days since
// 1970-01-01) when it is written.
//
// A line, in rejects and in [pipeline.Origin], is the number of a row in its file, from 1.
package parquet
