package structgen

import (
	"path"
	"strconv"
	"strings"
	"unicode"
)

// names gives out names that are not yet taken.
type names struct{ taken map[string]bool }

// unique returns the name, or the name with the first number behind it that is free. Letter case does not tell names
// apart: Postgres sinks take columns in any.
func (n *names) unique(name string, most int) string {
	if n.taken == nil {
		n.taken = map[string]bool{}
	}
	try := name
	for i := 2; ; i++ {
		for len(try) > most { // in whole characters
			r := []rune(name)
			name = string(r[:len(r)-1])
			try = name
			if i > 2 {
				try += strconv.Itoa(i - 1)
			}
		}
		if key := strings.ToLower(try); !n.taken[key] {
			n.taken[key] = true
			return try
		}
		try = name + strconv.Itoa(i)
	}
}

// words divides a name at what can be in no identifier, and where a capital follows a small letter.
func words(s string) []string {
	var all []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			all = append(all, string(word))
		}
		word = nil
	}
	var last rune
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r): // an accent apart from its letter
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
		case unicode.IsUpper(r) && unicode.IsLower(last):
			end()
			word = append(word, r)
		default:
			word = append(word, r)
		}
		last = r
	}
	end()
	return all
}

// initialisms are written as Go does.
var initialisms = map[string]bool{
	"api": true, "ascii": true, "csv": true, "html": true, "http": true, "https": true, "id": true, "ip": true, "isbn": true, "json": true,
	"sku": true, "sql": true, "uri": true, "url": true, "utc": true, "uuid": true, "vat": true, "xml": true,
}

// goName makes an exported identifier of any text; fallback serves where nothing of it can be used.
func goName(s, fallback string) string {
	var b strings.Builder
	for _, w := range words(s) {
		if initialisms[strings.ToLower(w)] {
			b.WriteString(strings.ToUpper(w))
			continue
		}
		r := []rune(w)
		if strings.ToUpper(w) == w && len(r) > 1 { // SHOUTED
			r = []rune(strings.ToLower(w))
		}
		r[0] = unicode.ToUpper(r[0])
		b.WriteString(string(r))
	}
	name := b.String()
	if name == "" {
		return fallback
	}
	if !unicode.IsUpper([]rune(name)[0]) { // a digit, or a script without capitals
		name = "Column" + name
	}
	return name
}

// snake makes the name of a column or a table.
func snake(s, fallback string) string {
	name := strings.ToLower(strings.Join(words(s), "_"))
	if name == "" {
		return fallback
	}
	if unicode.IsDigit([]rune(name)[0]) {
		name = fallback + "_" + name
	}
	return name
}

// maxName is what Postgres keeps of a name, in bytes.
const maxName = 63

// baseName is a file's name without folders and extensions.
func baseName(p string) string {
	p, _, _ = strings.Cut(p, "?")
	base := path.Base(strings.ReplaceAll(p, `\`, "/"))
	name, _, _ := strings.Cut(base, ".")
	return name
}

// tableName is the table for what a file of that name holds.
func tableName(file string) string {
	var n names
	return n.unique(snake(baseName(file), "records"), maxName)
}
