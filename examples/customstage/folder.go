package main

import (
	"context"
	"io/fs"

	"github.com/millrace/millrace/pipeline"
)

// File is a regular file.
type File struct {
	Path string // from the folder, with slashes
	Size int64  // in bytes
}

// Folder is a source of the files in a folder and all folders below it, in lexical order.
type Folder struct{ FS fs.FS }

// Extract walks over the folder.
func (f Folder) Extract(_ context.Context, out *pipeline.Writer[File]) error {
	return fs.WalkDir(f.FS, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return out.Write(File{Path: path, Size: info.Size()}) // fails when the run is over
	})
}
