// Package files is about where files are and how they get there, whatever their form: CSV and JSON lines
// are read and written through it, and so can a form of your own.
//
//	          Store                     Input                            the form
//	┌───────────────────────┐  ┌──────────────────────┐  bytes  ┌──────────────────────┐
//	│ Disk, HTTP, FS,       │─▶│ pattern, new files,  │────────▶│ sources.CSV, ...     │
//	│ module blob: S3, ...  │  │ unpack, decode text, │         └──────────────────────┘
//	│                       │  │ check for changes    │
//	│                       │  └──────────────────────┘
//	│                       │          Output
//	│                       │  ┌──────────────────────┐  bytes  ┌──────────────────────┐
//	│ Writable              │◀─│ the unit of the run, │◀────────│ sinks.CSV, ...       │
//	│                       │  │ pack, publish, tidy  │         └──────────────────────┘
//	└───────────────────────┘  └──────────────────────┘
//
// A [Store] is a place: it lists, opens and, if it is [Writable], creates and moves files. It knows no run. A new place
// is one more Store, in a package of its own; package filestest checks that it keeps the rules.
//
// An [Input] and an [Output] are what a form makes of its fields. They know no form. A new form is a source and
// a sink over them.
//
// A file that a run writes appears at its name when the run commits, whole, and not at all if the run fails: see [Output],
// which a sink of one's own can embed.
package files
