package structgen

import (
	"bytes"
	"fmt"
	"go/format"
	"slices"
	"strconv"
	"strings"
)

// Program is a Go program that loads a file, or copies a table.
type Program struct {
	// Warnings are what the reader of the program should know, one line each. They stand in the program too.
	Warnings []string

	what    string // is read, for comments
	table   string // is written
	row     structType
	nested  []structType
	source  string // a literal
	imports []string
}

// structType is a struct that is printed.
type structType struct {
	name   string
	fields []field
}

// field is a field of a struct that is printed.
type field struct {
	name, typ string
	tags      []tag
	comment   string
}

type tag struct{ key, value string }

// Source returns the program, formatted as gofmt does.
func (p *Program) Source() ([]byte, error) {
	var b bytes.Buffer
	job := "load_" + p.table
	fmt.Fprintf(&b, "// This program loads %s into the table %s of Postgres, which it creates if it is not there.\n", oneLine(p.what), p.table)
	b.WriteString("// The database is that of DATABASE_URL.\n")
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "//\n// %s\n", oneLine(w))
	}
	b.WriteString("package main\n\nimport (\n")
	p.writeImports(&b)
	b.WriteString(")\n\n")
	fmt.Fprintf(&b, "// Row is a record of %s.\n", oneLine(p.what))
	p.row.write(&b)
	for _, s := range p.nested {
		fmt.Fprintf(&b, "\n// %s is an object within a record.\n", s.name)
		s.write(&b)
	}
	fmt.Fprintf(&b, `
func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal("DATABASE_URL cannot be understood") // err may repeat the password
	}
	p := pipeline.New(%q, pipeline.Options{})
	rows := pipeline.From(p, "read", %s)
	pipeline.To(rows, "load", sinks.Postgres[Row]{Pool: pool, Table: %q, Create: true})
	report, err := p.Run(ctx)
	pool.Close()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Stage("load").RecordsIn, "records loaded")
}
`, job, p.source, p.table)
	text, err := format.Source(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("the program for %s is no Go, which is a mistake of this command: %w", p.what, err)
	}
	return text, nil
}

func (p *Program) writeImports(b *bytes.Buffer) {
	std := []string{"context", "fmt", "log", "os", "os/signal"}
	const house = "github.com/millrace/millrace/"
	ours := []string{house + "pipeline", house + "sinks", house + "sources"}
	others := []string{"github.com/jackc/pgx/v5/pgxpool"}
	for _, path := range p.imports {
		switch {
		case strings.HasPrefix(path, house):
			ours = append(ours, path)
		case strings.Contains(path, "."):
			others = append(others, path)
		default:
			std = append(std, path)
		}
	}
	for i, group := range [][]string{std, others, ours} {
		if i > 0 {
			b.WriteString("\n")
		}
		slices.Sort(group)
		for _, path := range slices.Compact(group) {
			fmt.Fprintf(b, "%q\n", path)
		}
	}
}

// needs adds the package that a type is of.
func (p *Program) needs(typ string) string {
	for prefix, path := range map[string]string{
		"time.": "time", "json.": "encoding/json", "netip.": "net/netip", "net.": "net",
		"pgtype.": "github.com/jackc/pgx/v5/pgtype", "files.": "github.com/millrace/millrace/files", "dialect.": "github.com/millrace/millrace/dialect",
	} {
		if strings.HasPrefix(strings.TrimLeft(typ, "*[]"), prefix) {
			p.imports = append(p.imports, path)
		}
	}
	return typ
}

func (p *Program) warn(text string, args ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf(text, args...))
}

func (s structType) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "type %s struct {\n", s.name)
	for _, f := range s.fields {
		if f.typ == "" { // nothing but a comment
			fmt.Fprintf(b, "// %s\n", oneLine(f.comment))
			continue
		}
		var tags []string
		for _, t := range f.tags {
			tags = append(tags, t.key+":"+strconv.Quote(t.value))
		}
		fmt.Fprintf(b, "%s %s %s", f.name, f.typ, tagLiteral(strings.Join(tags, " ")))
		if f.comment != "" {
			fmt.Fprintf(b, " // %s", oneLine(f.comment))
		}
		b.WriteString("\n")
	}
	b.WriteString("}\n")
}

// tagLiteral quotes a tag as Go does, in backquotes where that is possible.
func tagLiteral(text string) string {
	if strconv.CanBackquote(text) {
		return "`" + text + "`"
	}
	return strconv.Quote(text)
}

// oneLine keeps what stands in a comment from ending it, and from being read as something else.
func oneLine(s string) string {
	quoted := strconv.Quote(s)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
}
