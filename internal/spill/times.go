package spill

import (
	"encoding/binary"
	"reflect"
	"sync"
	"time"
)

// zones numbers the locations of times, so that a time comes back with the very
// *time.Location it had, and is == to what it was. Files are read by the process
// that wrote them, hence numbers will do.
//
// A parser that makes a *time.Location for each time it reads would fill it
// without end: after maxZones a location is kept by name and offset instead.
type zones struct {
	mu      sync.Mutex
	numbers map[*time.Location]uint64
	list    []*time.Location
	fixed   map[fixedZone]*time.Location
}

type fixedZone struct {
	name   string
	offset int
}

// What stands for a location; numbers of the list come after these.
const (
	zoneUTC = iota
	zoneLocal
	zoneFixed
	zoneFirst

	maxZones = 1024
)

// number returns zoneFixed when there are too many locations.
func (z *zones) number(at *time.Location) uint64 {
	switch at {
	case time.UTC:
		return zoneUTC
	case time.Local:
		return zoneLocal
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	n, ok := z.numbers[at]
	if ok {
		return n
	}
	if len(z.list) == maxZones {
		return zoneFixed
	}
	if z.numbers == nil {
		z.numbers = map[*time.Location]uint64{}
	}
	n = zoneFirst + uint64(len(z.list))
	z.list = append(z.list, at)
	z.numbers[at] = n
	return n
}

// at returns nil for a number that was never given.
func (z *zones) at(n uint64) *time.Location {
	z.mu.Lock()
	defer z.mu.Unlock()
	if n -= zoneFirst; n < uint64(len(z.list)) {
		return z.list[n]
	}
	return nil
}

func (z *zones) fixedAt(f fixedZone) *time.Location {
	z.mu.Lock()
	defer z.mu.Unlock()
	at, ok := z.fixed[f]
	if !ok {
		if z.fixed == nil || len(z.fixed) == maxZones {
			z.fixed = map[fixedZone]*time.Location{}
		}
		at = time.FixedZone(f.name, f.offset)
		z.fixed[f] = at
	}
	return at
}

func (z *zones) plan() plan {
	return plan{
		func(b []byte, v reflect.Value) ([]byte, error) {
			var t time.Time
			if v.CanAddr() { // spares an allocation
				t = *v.Addr().Interface().(*time.Time)
			} else {
				t = v.Interface().(time.Time)
			}
			b = binary.AppendVarint(b, t.Unix())
			b = binary.AppendUvarint(b, uint64(t.Nanosecond()))
			n := z.number(t.Location())
			b = binary.AppendUvarint(b, n)
			if n == zoneFixed {
				name, offset := t.Zone()
				b = binary.AppendVarint(appendString(b, name), int64(offset))
			}
			return b, nil
		},
		func(d *decoder, v reflect.Value) {
			t := time.Unix(d.varint(), int64(d.uvarint()%1e9))
			n := d.uvarint()
			at := time.UTC
			switch n {
			case zoneUTC:
			case zoneLocal:
				at = time.Local
			case zoneFixed:
				name := d.string()
				at = z.fixedAt(fixedZone{name, int(d.varint())})
			default:
				if at = z.at(n); at == nil {
					d.fail(errTorn)
					return
				}
			}
			*v.Addr().Interface().(*time.Time) = t.In(at)
		}, 3,
	}
}
