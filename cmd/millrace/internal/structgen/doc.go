// Package structgen writes the Go program that loads a file or a table as it is: the struct of its records, and a source with
// the settings that the file needs.
//
//	File  ──▶ encoding, delimiter, header ──▶ what each column holds ──┐
//	          (files, csvcodec)               (every value is asked)   ├──▶ Program ──▶ Go, formatted
//	Table ──▶ columns of the catalog (pgcatalog) ─────────────────────┘
//
// A type is chosen only if it holds each text that was seen, so that the source writes back what it read: 007 is a string,
// and so is 12.50, of which a float64 makes 12.5. Where the data leaves a doubt, such as 01/02/2026, the column stays text and
// a comment says why.
package structgen
