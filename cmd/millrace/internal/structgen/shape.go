package structgen

import (
	"encoding/json"
	"errors"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// A shape gathers what the values in one place of JSON records have in common.
type shape struct {
	seen, nulls, bools    int
	numbers, ints, floats int // ints and floats that their type holds are numbers too; each int counts as a float that holds it
	texts, times          int
	objects, arrays       int

	members []*member // in the order in which they appeared
	index   map[string]*member
	many    bool // there are too many of them
	elem    *shape
}

type member struct {
	name  string
	shape shape
}

const (
	maxMembers = 2000 // of one object
	maxDepth   = 100
)

// read takes in the next value of d.
func (s *shape) read(d *json.Decoder) error { return s.readAt(d, 0) }

func (s *shape) readAt(d *json.Decoder, depth int) error {
	if depth > maxDepth {
		return errors.New("values lie within one another more than 100 deep")
	}
	token, err := d.Token()
	if err != nil {
		return err
	}
	s.seen++
	switch v := token.(type) {
	case nil:
		s.nulls++
	case bool:
		s.bools++
	case json.Number:
		s.addNumber(v.String())
	case string:
		s.addText(v)
	case json.Delim:
		if v == '[' {
			return s.readArray(d, depth)
		}
		return s.readObject(d, depth)
	}
	return nil
}

func (s *shape) readArray(d *json.Decoder, depth int) error {
	s.arrays++
	for d.More() {
		if s.elem == nil {
			s.elem = &shape{}
		}
		if err := s.elem.readAt(d, depth+1); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func (s *shape) readObject(d *json.Decoder, depth int) error {
	s.objects++
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		key, _ := name.(string)
		m := s.index[key]
		if m == nil {
			m = &member{name: key}
			if len(s.members) < maxMembers {
				if s.index == nil {
					s.index = map[string]*member{}
				}
				s.index[key] = m
				s.members = append(s.members, m)
			} else {
				s.many = true
			}
		}
		if err := m.shape.readAt(d, depth+1); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func (s *shape) addNumber(text string) {
	s.numbers++
	if _, err := strconv.ParseInt(text, 10, 64); err == nil && text != "-0" {
		s.ints++
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || len(text) > 400 {
		return
	}
	// In JSON 12.50 and 12.5 are one number: only what it is worth must stay.
	exact, ok := new(big.Rat).SetString(text)
	short, ok2 := new(big.Rat).SetString(strconv.FormatFloat(v, 'g', -1, 64))
	if ok && ok2 && exact.Cmp(short) == 0 {
		s.floats++
	}
}

func (s *shape) addText(text string) {
	s.texts++
	if len(text) < len("2006-01-02T15:04:05Z") || len(text) > 64 || s.times < s.texts-1 {
		return
	}
	var t time.Time
	_, fraction, _ := strings.Cut(text, ".")
	if t.UnmarshalText([]byte(text)) == nil && t.Nanosecond()%1000 == 0 && t.Year() >= 1 && digits(fraction) <= 9 {
		s.times++
	}
}

// kinds is how many kinds of values there are besides null.
func (s *shape) kinds() int {
	n := 0
	for _, times := range []int{s.bools, s.numbers, s.texts, s.objects, s.arrays} {
		if times > 0 {
			n++
		}
	}
	return n
}
