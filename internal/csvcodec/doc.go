// Package csvcodec turns CSV into structs and back.
//
//	io.Reader ──▶ Scanner ──▶ Record ──▶ Decoder[T] ──▶ T        Reader[T] is all of it
//	              one buffer,  views      a plan made once
//	              one mark a   into the   for type and header;
//	              byte         buffer     reflection behind pointers
//
//	T ──▶ Encoder[T] ──▶ []byte                                  a plan made once for the type
//
//	SplitPoints: where a plain file can be cut so that every part begins with a record
//
// It knows nothing of pipelines, files or compression: sources and sinks do.
//
// # Reading
//
//	r, err := csvcodec.NewReader[Sale](file, csvcodec.ReadOptions{})
//	batch := make([]Sale, 512)
//	for {
//		n, err := r.ReadBatch(batch)
//		use(batch[:n])
//		var bad *csvcodec.Error
//		switch {
//		case err == nil:
//		case errors.Is(err, io.EOF):
//			return nil
//		case errors.As(err, &bad):
//			reject(bad) // and go on: the next call reads behind it
//		default:
//			return err
//		}
//	}
//
// # The input
//
// RFC 4180: fields with commas, quotes or line ends stand in quotes, a quote
// inside is doubled. Lines end in LF or CRLF, the last one perhaps in nothing;
// a CR elsewhere is part of its field. A UTF-8 byte order mark is skipped, as are blank lines,
// except below a header of one column: there one is an empty field, which is NULL. What is no
// such input at all, an archive or UTF-16, is an [*InputError] that names it.
// The dialect (package dialect) says what differs from that; what marks cannot find is then
// cut by rules, byte by byte. Options name the largest record and the largest number of columns. A quote in a field that does not begin with
// one, text behind a closing quote and a quote without a partner are errors. A
// record is a bounded amount of memory, whatever the input.
//
// encoding/csv, which gocsv reads with, differs in one thing: it turns CRLF
// inside quotes into LF. Here the field keeps its bytes.
//
// # The struct
//
// gocsv's tags are the contract: `csv:"name"`, several names to a field, "-",
// omitempty, default=, partial, csv[]; embedded structs, nested ones with their
// name as prefix; TypeUnmarshaller and TypeMarshaller, encoding.TextUnmarshaler
// and TextMarshaler, UnmarshalCSVWithFields on the struct itself. Types with database/sql's Scan
// are one value too, as sql.NullString and pgtype.Date are: NULL is Scan(nil), and what their Value
// gives is written. A field with a csv tag is required: when the
// header lacks it, NewDecoder says so with the nearest spelling. A field
// without a tag is filled when the header has the field's name, and required only when no
// field of the struct has a tag. The first entry of a tag is a name, whatever it looks like,
// and the names of a tag joined by their commas are one more. Keys of our own stand beside it: csv.name is a name as
// it stands, csv.column a position, csv.layout and csv.location say how times are written; a map[string]string with
// csv:"*" takes the columns that no other field names.
//
// What a field cannot be filled with or written from, a tag that is half understood, an option
// that a field ignores, and two fields of one column are errors of NewDecoder and NewEncoder. Of
// fields of one name, the one that fewer embedded structs hold has it, as in Go.
//
// Fields in the struct itself are compiled, straight from the bytes into the field; those
// behind a pointer to a struct or in a slice (csv[]) go by reflection, with the same rules. A slice
// without csv[] is JSON. A pointer to a struct is nil, and a slice ends, where all of its columns are NULL.
//
// # Values
//
// As gocsv reads them, for better or worse: spaces around numbers and
// booleans do not count; integers may be written 0x1f, 0b11, 0o17 and 1_000, and with a fraction of
// zeros (12.00); booleans also as yes and no.
//
// Differences from gocsv, all of them because its answer loses something:
//
//   - An integer that does not fit its field is an error (gocsv wraps: 300 into
//     an int8 is 44), and so is one for float32 (gocsv makes it infinite).
//   - An integer with a fraction is an error (gocsv cuts 3.7 to 3, 1.5e3 to 1,
//     and 12.abc to 12); so is an exponent in an unsigned one.
//   - Zeros in front do not make a number octal: 010 is 10 (gocsv: 8) and 08 is 8
//     (gocsv: an error). 0o10 is 8 in both, 0_7 an error.
//   - A comma in a float is an error unless the dialect's Decimal or Thousands is one (gocsv reads
//     1,234 as 1.234), and a point is one where it is neither.
//   - An empty number, boolean or time is an error (gocsv: 0 and false); omitempty makes
//     it the zero value. In quotes the empty text is a text, also where there is a default.
//   - A zone's abbreviation is an error but for UTC, GMT and those of Location.
//   - Fields behind pointers follow all these rules, and a pointer to a struct stays nil
//     where there is nothing for it (gocsv makes one of zeros). Cells at the end of a csv[]
//     slice that are empty are no elements.
//   - "-" leaves an embedded struct out (gocsv ignores tags there).
//   - JSON in a slice must be held whole: no unknown member, no null for a number.
//   - A time.Duration is also read as it is written, 1h30m0s.
//   - A float32 is rounded once (gocsv rounds to float64 first).
//   - A NUL byte or invalid UTF-8 in a string is an error unless
//     AllowInvalidText is set.
//   - The NULL token, by default the empty text, makes a pointer nil (gocsv does so only with
//     omitempty, and otherwise points to a zero).
//   - A time.Time is also read from a date and from a date and time with a space, with or
//     without an offset, which without one is UTC (gocsv: RFC 3339 only). An offset of zero is UTC, never Local.
//   - default= works everywhere (gocsv's Unmarshaller forgets it), and a default that does not
//     convert is an error at the start.
//   - A missing column, and one that is in the header twice, are errors.
//   - A struct that contains itself is an error (gocsv overflows the stack).
//
// # Writing
//
// The bytes are gocsv's, field by field, but for these: a pointer to an
// empty string is written "" so that it is not NULL, and so is an empty text behind a pointer or one whose tag has a
// default; in a struct of one column the empty text is "" and NULL a blank line, as in COPY; a field that begins with a
// byte order mark stands in quotes; and CRLF ends records without
// changing the line ends inside fields.
//
// What is written is read back as it was by the same struct and options, or is an error: a
// time that the Layout cuts, a NULL token that is a value, more elements than csv[] has columns.
//
// # Splitting
//
// [SplitPoints] cuts an input between records, also where fields hold line
// feeds and where quotes are wrong: the parts give the same records, errors,
// lines and offsets as the whole.
//
//	s, _ := csvcodec.NewScanner(file, o)
//	header, err := csvcodec.ReadHeader(s)
//	o.StartOffset, o.StartLine = s.Offset(), s.Line()
//	points, err := csvcodec.SplitPoints(file, size, n, o)
//	// part i: NewReader(NewRange(file, points[i].Offset, end), with Header
//	// and points[i] as StartOffset and StartLine)
//
// # Memory
//
// Reading allocates next to nothing for a record. Strings lie in blocks of 64 KiB and
// pointers' values in slabs of 256, so a string or a pointer that is kept
// keeps its block. A column whose values repeat gets the same string again.
package csvcodec
