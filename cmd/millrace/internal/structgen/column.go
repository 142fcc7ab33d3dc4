package structgen

import (
	"slices"
	"strconv"
	"strings"
)

// A column gathers what the values of one column have in common.
type column struct {
	name string

	values int // that are neither empty nor a null token
	empty  int
	tokens map[string]int // texts that often mean null

	notInt, notFloat, notComma bool
	commas                     int    // values with a comma as the decimal mark whose fraction is not three digits long
	scaled                     string // a number that a float64 would write otherwise, if all values are numbers
	word                       bool   // a value is no number
	bools                      map[string]bool
	notBool                    bool
	forms                      []int // of times that read every value; nil before the first
}

// kind is what a column's values are.
type kind string

const (
	isNothing kind = "nothing"
	isText    kind = "text"
	isInt     kind = "int"
	isFloat   kind = "float"
	isComma   kind = "float with a comma"
	isBool    kind = "bool"
	isTime    kind = "time"
)

// nullTokens are texts that mean null if what is beside them is numbers, booleans or times.
var nullTokens = map[string]bool{
	`\N`: true, "NULL": true, "null": true, "Null": true, "NA": true, "N/A": true, "n/a": true, "NaN": true, "nan": true, "None": true, "nil": true, "-": true, "#N/A": true,
}

func (c *column) add(value string, quoted bool) {
	if value == "" {
		c.empty++
		return
	}
	if !quoted && nullTokens[value] {
		if c.tokens == nil {
			c.tokens = map[string]int{}
		}
		c.tokens[value]++
		return
	}
	c.values++
	if !c.number(value) {
		c.scaled, c.word = "", true
	}
	if !c.notInt {
		v, err := strconv.ParseInt(value, 10, 64)
		c.notInt = err != nil || strconv.FormatInt(v, 10) != value
	}
	if !c.notFloat {
		switch exact, number := exactFloat(value); {
		case !number:
			c.notFloat = true
		case !exact:
			c.notFloat = true
			c.scale(value)
		}
	}
	if !c.notComma {
		whole, fraction, ok := strings.Cut(value, ",")
		exact, number := exactFloat(strings.Replace(value, ",", ".", 1))
		c.notComma = !exact || !number || strings.Contains(value, ".") || whole == ""
		if ok && len(fraction) != 3 {
			c.commas++
		}
		if c.notComma && number && whole != "" && !strings.Contains(value, ".") {
			c.scale(value)
		}
	}
	if !c.notBool {
		c.addBool(value)
	}
	if c.forms == nil || len(c.forms) > 0 {
		c.addTime(value)
	}
}

// number tells whether a text is a number in any of the forms that are known, kept exactly or not.
func (c *column) number(value string) bool {
	_, number := exactFloat(strings.Replace(value, ",", ".", 1))
	return number
}

// scale notes the first number that a float64 would write otherwise, in a column of nothing but numbers.
func (c *column) scale(value string) {
	if c.scaled == "" && !c.word {
		c.scaled = value
	}
}

// exactFloat tells whether a text is a number, and one that a float64 writes again as it stands; a last .0, which many
// programs write, apart.
func exactFloat(value string) (exact, number bool) {
	digit := strings.TrimLeft(value, "-")
	if len(value)-len(digit) > 1 || digit == "" || digit[0] < '0' || digit[0] > '9' || strings.ContainsAny(value, "xXpP_") {
		return false, false
	}
	v, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return false, false
	}
	if strings.ContainsAny(value, "eE") {
		mantissa, _, _ := strings.Cut(strings.ToLower(value), "e")
		shortest, _, _ := strings.Cut(strconv.FormatFloat(v, 'e', -1, 64), "e")
		return significant(mantissa) == significant(shortest), true
	}
	return strconv.FormatFloat(v, 'f', -1, 64) == strings.TrimSuffix(value, ".0"), true
}

// significant are a number's digits without zeros at either end.
func significant(s string) string {
	s = strings.NewReplacer(".", "", "-", "").Replace(s)
	return strings.Trim(s, "0")
}

// addBool knows pairs, of which both must be there unless the words can mean nothing else.
func (c *column) addBool(value string) {
	switch value {
	case "true", "false", "True", "False", "TRUE", "FALSE", "yes", "no", "Yes", "No", "YES", "NO", "t", "f", "T", "F":
		if c.bools == nil {
			c.bools = map[string]bool{}
		}
		c.bools[strings.ToLower(value)] = true
	default:
		c.notBool = true
	}
}

func (c *column) isBool() bool {
	if c.notBool || len(c.bools) == 0 {
		return false
	}
	for _, pair := range [][2]string{{"true", "false"}, {"yes", "no"}, {"t", "f"}} {
		if !c.bools[pair[0]] && !c.bools[pair[1]] {
			continue
		}
		if len(c.bools) > 2 || pair[0] != "true" && len(c.bools) != 2 {
			return false
		}
		for b := range c.bools {
			if b != pair[0] && b != pair[1] {
				return false
			}
		}
		return true
	}
	return false
}

func (c *column) addTime(value string) {
	if c.forms == nil {
		c.forms = []int{}
		if digits(value) == len(value) || len(value) < 6 {
			return
		}
		for i := range timeForms {
			if timeForms[i].reads(value) {
				c.forms = append(c.forms, i)
			}
		}
		return
	}
	c.forms = slices.DeleteFunc(c.forms, func(i int) bool { return !timeForms[i].reads(value) })
}

func (c *column) kind() kind {
	switch {
	case c.values == 0:
		return isNothing
	case !c.notInt:
		return isInt
	case !c.notFloat:
		return isFloat
	case !c.notComma && c.commas > 0:
		return isComma
	case c.isBool():
		return isBool
	case len(c.forms) > 0:
		return isTime
	}
	return isText
}

// fits tells whether one more value would leave the kind as it is.
func (c *column) fits(value string, quoted bool) bool {
	with := *c
	with.forms = slices.Clone(c.forms)
	with.bools = map[string]bool{}
	for b := range c.bools {
		with.bools[b] = true
	}
	with.tokens = nil
	before := c.kind()
	with.add(value, quoted)
	after := with.kind()
	return after == before || before == isInt && (after == isFloat || after == isComma)
}

// doubtful tells dates of which the day or the month may come first.
func (c *column) doubtful() bool {
	order := byte(0)
	for _, i := range c.forms {
		if o := timeForms[i].order; o != 0 && order != 0 && o != order {
			return true
		} else if o != 0 {
			order = o
		}
	}
	return false
}
