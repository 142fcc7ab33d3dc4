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

func ExampleEncoder() {
	encoder, err := pgcodec.NewEncoder[Line](columns, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	stream := pgcodec.Binary.AppendHeader(nil)
	for _, line := range []Line{{Product: "mill", Quantity: 3}, {Product: "race", Quantity: 3_000_000_000}, {Product: "wheel", Quantity: 1}} {
		if stream, err = encoder.Append(stream, &line); err != nil {
			fmt.Println(err) // the stream is as it was
		}
	}
	stream = pgcodec.Binary.AppendTrailer(stream)
	// The columns of the COPY statement, which takes the stream.
	for _, column := range encoder.Columns() {
		fmt.Println(column.Name)
	}
	fmt.Println(len(stream), "bytes")
	// Output:
	// column "quantity": 3000000000 is out of range for integer
	// product
	// quantity
	// note
	// 66 bytes
}

func ExampleDecoder() {
	decoder, err := pgcodec.NewDecoder[Line](columns, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	// Rows as pgx's rows.RawValues gives them: id, product, quantity, note.
	rows := [][][]byte{
		{{0, 0, 0, 0, 0, 0, 0, 1}, []byte("mill"), {0, 0, 0, 3}, nil},
		{{0, 0, 0, 0, 0, 0, 0, 2}, nil, {0, 0, 0, 7}, nil},
		{{0, 0, 0, 0, 0, 0, 0, 3}, []byte("wheel"), {0, 0, 1, 0}, []byte("spare")},
	}
	for _, raw := range rows {
		var line Line
		if err := decoder.Decode(raw, &line); err != nil {
			fmt.Println(err) // the next row can be read
			continue
		}
		fmt.Println(line.Product, line.Quantity, line.Note != nil)
	}
	// Output:
	// mill 3 false
	// column "product" is null, and field Product (string) cannot hold null: use *string or pgtype.Text
	// wheel 256 true
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
