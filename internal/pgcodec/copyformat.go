package pgcodec

// The binary COPY format
// (https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4):
//
//	header   "PGCOPY\n\xff\r\n\x00", flags (4 bytes), length of an extension (4 bytes), extension
//	tuple    number of values (2 bytes), each value: length (4 bytes, -1 is null), bytes
//	trailer  -1 (2 bytes)
const copySignature = "PGCOPY\n\xff\r\n\x00"

// AppendHeader appends what a binary COPY begins with.
func AppendHeader(dst []byte) []byte {
	return append(append(dst, copySignature...), 0, 0, 0, 0, 0, 0, 0, 0)
}

// AppendTrailer appends what a binary COPY ends with.
func AppendTrailer(dst []byte) []byte {
	return append(dst, 0xff, 0xff)
}
