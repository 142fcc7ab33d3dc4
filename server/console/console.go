// Package console is the page of the server: files that a browser loads as they are.
package console

import (
	"embed"
	"io/fs"
)

//go:embed *
var files embed.FS

// Files returns the page's files. Without an index.html among them there is no page.
func Files() fs.FS { return files }
