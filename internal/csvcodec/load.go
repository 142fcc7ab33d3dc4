package csvcodec

import (
	"encoding/binary"
	"unsafe"
)

// load8 loads the eight bytes of data from at on, the first one lowest.
//
// It does not check bounds, which were a third of the work of a short field:
// the scanner says where a field lies in its buffer and keeps slack bytes
// behind it, and what else is converted, unescaped fields and defaults, has
// slack bytes added. The fuzz targets run with checked pointers.
func load8(data []byte, at int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(data)), at))[:])
}
