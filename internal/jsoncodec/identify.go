package jsoncodec

import "bytes"

// identify says what an input is, by its first bytes, if it is no JSON in UTF-8.
func identify(head []byte) error {
	for _, known := range magics {
		if bytes.HasPrefix(head, []byte(known.magic)) {
			return &InputError{What: known.what + ", not JSON in UTF-8", Advice: known.advice}
		}
	}
	return nil
}

var magics = []struct{ magic, what, advice string }{
	{"PK\x03\x04", "the input is a zip archive", "unpack it first, for instance with unzip -p"},
	{"PK\x05\x06", "the input is a zip archive", "it is an empty one"},
	{"\xfd7zXZ\x00", "the input is packed with xz", "unpack it first with xz -d"},
	{"BZh", "the input is packed with bzip2", "unpack it first with bunzip2"},
	{"\x1f\x8b", "the input is packed with gzip", "leave Compression unset, or set it to Gzip"},
	{"\x28\xb5\x2f\xfd", "the input is packed with zstd", "leave Compression unset, or set it to Zstd"},
	{"PAR1", "the input is a Parquet file", "convert it to JSON lines"},
	{"Obj\x01", "the input is an Avro file", "convert it to JSON lines"},
	{"%PDF-", "the input is a PDF document", "export its data"},
	{"<", "the input is XML or a web page", "it may be the login or the error page of a server: look at it"},
}
