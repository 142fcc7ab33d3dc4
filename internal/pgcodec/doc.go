// Package pgcodec converts between structs and PostgreSQL's binary format by
// plans that are made once for a pair of struct and columns.
//
//	               NewEncoder[T](columns)
//	                         │  one plan a pair of field and column
//	*T ──► Encoder.Append ───┴──► COPY tuples of its Format   (AppendHeader, tuples, AppendTrailer)
//
//	               NewDecoder[T](columns)
//	                         │
//	*T ◄── Decoder.Decode ───┴◄── raw values of a row: pgx's rows in binary
//
// The package runs no query, and knows nothing of connections, transactions or
// pipelines: the caller describes columns ([Column]), moves the bytes, and gets
// errors that name the column, the value and the reason.
//
// # Fields and columns
//
// A field maps to the column named by its db tag, otherwise by pgx's rule for
// RowToStructByName: letter case and underscores do not count. See [Fields].
// An [Encoder] supplies the columns that the struct has and leaves the others to
// their defaults; a [Decoder] ignores columns that the struct has not. A field
// without a column is an error in both, and names the nearest spelling.
//
// # Types
//
// Compiled, both ways: bool; every Go integer and float; strings, byte slices
// and named types of these; time.Time; [16]byte; decimal types; the structs of
// pgtype and database/sql that hold these with a Valid flag; pointers to and
// one-dimensional slices of all of them; against the columns bool, int2, int4,
// int8, float4, float8, numeric, text, varchar, bpchar, name, bytea, uuid, date,
// time, timestamp, timestamptz, json, jsonb, enums, and arrays of these.
// For other types the pairs that pgx carries whole go by its plans (pgtype.Interval into
// interval, netip.Prefix into cidr, what encoding/json takes into json), and so do types
// with methods of their own, and types that the caller's pgtype.Map overrides or adds. What
// holds text, a string or a slice of strings, meets a column of any type but bytea as text
// of that type: on the way in the whole COPY is one in the text format, which the
// server reads ([Encoder.Format]); on the way out the column is asked for as text
// ([ReadAsText]). Nothing goes in the binary form of another type. What is left is a
// [*TypeError]. docs/types.md lists all pairs.
//
// A value never changes silently. An integer that does not fit its column or
// field, a float with a fraction that meets an integer, an integer that a float
// cannot represent, a number with more digits than the field's type or the column's scale
// holds, a time with more digits than the column's precision, a time of day that meets
// date: each is a [*ValueError]. A float is the number that its fewest digits write:
// 0.1 is 0.1 as real, as double precision and as numeric. A timestamp without time zone, a date and
// a time of day are what the clock of the value's own location shows. The server's own
// reading of text rounds as the server does: money to its cents.
//
// # Null
//
// Null is a nil pointer, a nil slice (also for bytea, text and json), or a
// pgtype or database/sql value that is not Valid. A null that meets a field
// without room for it is an error. The json value 'null' is not null: a *string
// reads it as the text "null".
//
// # Memory
//
// A Decoder puts the strings and byte slices of many rows side by side in
// blocks of 32 KiB, and the targets of pointer fields and the elements of slice
// fields in blocks of up to 256. A string that is kept keeps its block: clone
// strings (strings.Clone) that outlive their row by much. Text columns whose
// values repeat are interned: equal values share one string.
//
// # Unsafe
//
// Plans reach fields by pointer and offset, which is what makes them fast. The
// offsets come from reflect, the pointer from the caller's *T, and every access
// uses the kind that reflect reported. No pointer is kept beyond a call.
package pgcodec
