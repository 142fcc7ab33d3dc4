package pgcodec

import (
	"fmt"
	"reflect"
	"unsafe"
)

// interfaceEncoder encodes what an interface holds, by the plan for its type. A
// value that could only go as text of the column's type is refused: whether a COPY
// is a text COPY must be known before the first record.
func (c *compiler) interfaceEncoder(t reflect.Type, w *wireType) encodeFunc {
	own := &compiler{m: c.pgxMap(nil)}
	plans := map[reflect.Type]encodeFunc{}
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		v := reflect.NewAt(t, p).Elem().Elem()
		if !v.IsValid() {
			return appendNull(dst), nil
		}
		encode, ok := plans[v.Type()]
		if !ok {
			if plan, _ := own.encoder(v.Type(), w); plan.text == nil {
				encode = plan.encode
			}
			plans[v.Type()] = encode
		}
		if encode == nil {
			return dst, valueErr(showValue(v.Interface()), fmt.Sprintf("(%s) cannot be written as %s", v.Type(), w.name))
		}
		boxed := reflect.New(v.Type())
		boxed.Elem().Set(v)
		return encode(dst, boxed.UnsafePointer())
	}
}
