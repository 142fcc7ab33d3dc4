package csvcodec

import (
	"reflect"
	"unsafe"

	"github.com/gocarina/gocsv"
)

// decodeWhole hands every column to the struct's own UnmarshalCSVWithFields.
func (p *plan) decodeWhole(rec *Record, base unsafe.Pointer) *Error {
	v := reflect.NewAt(p.typ, base).Interface().(gocsv.TypeUnmarshalCSVWithFields)
	for i, name := range p.header {
		if err := v.UnmarshalCSVWithFields(name, string(rec.Field(i))); err != nil {
			f := ownFault(name, rec.Field(i), err)
			return rec.fail(i, name, f.reason, f.cause)
		}
	}
	return nil
}
