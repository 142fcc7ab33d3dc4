package pgcodec_test

import (
	"fmt"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/millrace/millrace/internal/pgcodec"
)

type Line struct {
	Product  string
	Quantity int64
	Note     *string
}

// The table's columns, as a describe message or the catalog gives them.
var columns = []pgcodec.Column{
	{Name: "id", OID: pgtype.Int8OID, NotNull: true, HasDefault: true},
	{Name: "product", OID: pgtype.TextOID, NotNull: true},
	{Name: "quantity", OID: pgtype.Int4OID, NotNull: true},
	{Name: "note", OID: pgtype.TextOID},
}

func Example() {
	encoder, err := pgcodec.NewEncoder[Line](columns, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	stream := pgcodec.AppendHeader(nil)
	for _, line := range []Line{{Product: "mill", Quantity: 3}, {Product: "race", Quantity: 3_000_000_000}, {Product: "wheel", Quantity: 1}} {
		if stream, err = encoder.Append(stream, &line); err != nil {
			fmt.Println(err) // the stream is as it was
		}
	}
	stream = pgcodec.AppendTrailer(stream)

	// The same bytes are what COPY TO sends for these columns.
	decoder, err := pgcodec.NewDecoder[Line](encoder.Columns(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	copied := pgcodec.NewCopyDecoder(decoder)
	batch := make([]Line, 10)
	rows, _, err := copied.Decode(stream, batch)
	for _, line := range batch[:rows] {
		fmt.Println(line.Product, line.Quantity, line.Note == nil)
	}
	fmt.Println(err, copied.End())
	// Output:
	// column "quantity": 3000000000 is out of range for integer
	// mill 3 true
	// wheel 1 true
	// <nil> <nil>
}

func ExampleNewEncoder_problems() {
	type misspelled struct {
		Product  bool
		Quantiy  int
		Comments string `db:"note"`
	}
	_, err := pgcodec.NewEncoder[misspelled](columns, nil)
	fmt.Println(err)
	// Output:
	// field Quantiy: there is no column "quantiy"; the columns are "id", "product", "quantity", "note"; the nearest is "quantity"
	// field Product (bool): column "product" is text; string, *string or pgtype.Text would fit
	// column "quantity" is not null and has no default, and no field supplies it; the struct has "product", "quantiy", "note"; the nearest is "quantiy"
}
