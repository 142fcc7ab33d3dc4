package runs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/cleantext"
)

// Type is the type of a param.
type Type string

// The types.
const (
	String Type = "string"
	Int    Type = "int"  // 64 bits
	Bool   Type = "bool" // true or false
	Date   Type = "date" // 2006-01-02
	Enum   Type = "enum" // one of Param.Values
)

// Param is a value that a trigger of a pipeline can set.
type Param struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Type        Type     `json:"type"`               // defaults to String
	Values      []string `json:"values,omitempty"`   // of an Enum
	Default     string   `json:"default,omitempty"`  // in the form of the type; "" is the zero value of a param that is not required
	Required    bool     `json:"required,omitempty"` // it has no default
	Example     string   `json:"example,omitempty"`  // what Build is tried with if it is Required

	// Check says what is wrong with a value of the right type; nil is nothing.
	Check func(value string) error `json:"-"`
}

// Values are the params of a run, each in the form of its type. The getters
// panic on a name that the definition does not have and on another type: that is a
// mistake of the code, which the trial of Build finds at the start.
type Values map[string]string

// String returns a param as it was given.
func (v Values) String(name string) string {
	value, ok := v[name]
	if !ok {
		panic(fmt.Sprintf("runs: the definition has no param %q", name))
	}
	return value
}

// Int returns an Int param.
func (v Values) Int(name string) int64 {
	return parsed(v, name, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) })
}

// Bool returns a Bool param.
func (v Values) Bool(name string) bool { return parsed(v, name, strconv.ParseBool) }

// Date returns a Date param, at midnight UTC; the zero time if it is empty.
func (v Values) Date(name string) time.Time {
	return parsed(v, name, func(s string) (time.Time, error) { return time.Parse(time.DateOnly, s) })
}

func parsed[T any](v Values, name string, parse func(string) (T, error)) (value T) {
	s := v.String(name)
	if s == "" {
		return value
	}
	value, err := parse(s)
	if err != nil {
		panic(fmt.Sprintf("runs: param %q is no %T: %q", name, value, s))
	}
	return value
}

// canonical returns the value in the one form that is kept, or says what is wrong.
func (p Param) canonical(value string) (string, error) {
	const most = 4096
	if len(value) > most {
		return "", fmt.Errorf("is %d bytes long; at most %d are allowed", len(value), most)
	}
	if !cleantext.Is(value) {
		return "", fmt.Errorf("is not UTF-8 text without NUL")
	}
	if value == "" && p.Type != Enum && !p.Required {
		return "", nil
	}
	switch p.Type {
	case Int:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return "", fmt.Errorf("%s is not a whole number of 64 bits", shown(value))
		}
		value = strconv.FormatInt(n, 10)
	case Bool:
		if value != "true" && value != "false" {
			return "", fmt.Errorf("%s is neither true nor false", shown(value))
		}
	case Date:
		if _, err := time.Parse(time.DateOnly, value); err != nil {
			return "", fmt.Errorf("%s is not a date like 2025-03-14", shown(value))
		}
	case Enum:
		if value == "" && !p.Required && p.Default == "" {
			return "", nil
		}
		if !slices.Contains(p.Values, value) {
			return "", fmt.Errorf("%s is not one of %s", shown(value), strings.Join(p.Values, ", "))
		}
	}
	if p.Required && value == "" {
		return "", fmt.Errorf("is empty")
	}
	if p.Check != nil {
		if err := p.Check(value); err != nil {
			return "", err
		}
	}
	return value, nil
}

// shown quotes a value for an error, cut if it is long.
func shown(s string) string { return strconv.Quote(cut(s)) }

// cut bounds what came from outside.
func cut(s string) string { return cleantext.Short(s, 60) }

// values checks what a trigger gives and adds the defaults.
func (d *Definition) values(given map[string]string) (Values, error) {
	known := map[string]Param{}
	values := Values{}
	for _, p := range d.Params {
		known[p.Name] = p
		values[p.Name] = p.Default
	}
	for name, value := range given {
		p, ok := known[name]
		if !ok {
			return nil, invalid("params."+cut(name), "pipeline %q has no param %q; it has %s", d.Name, cut(name), d.paramNames())
		}
		canonical, err := p.canonical(value)
		if err != nil {
			return nil, invalid("params."+name, "param %q: %v", name, err)
		}
		values[name] = canonical
	}
	for _, p := range d.Params {
		if _, ok := given[p.Name]; p.Required && !ok {
			return nil, invalid("params."+p.Name, "param %q is required", p.Name)
		}
	}
	return values, nil
}

func (d *Definition) paramNames() string {
	if len(d.Params) == 0 {
		return "none"
	}
	var names []string
	for _, p := range d.Params {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

// trial are values that Build can be tried with.
func (d *Definition) trial() Values {
	values := Values{}
	for _, p := range d.Params {
		values[p.Name] = p.Default
		if !p.Required {
			continue
		}
		values[p.Name] = p.Example
		if p.Example != "" {
			continue
		}
		switch p.Type {
		case Int:
			values[p.Name] = "1"
		case Bool:
			values[p.Name] = "false"
		case Date:
			values[p.Name] = "2025-03-14"
		case Enum:
			values[p.Name] = p.Values[0]
		default:
			values[p.Name] = "example"
		}
	}
	return values
}
