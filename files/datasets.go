package files

import (
	"context"
	"path/filepath"

	"github.com/millrace/millrace/pipeline"
)

// Datasets says which files of this machine's disk are read: those that are there now. Of other stores it says nothing,
// since a store has no name that another one of the same place would have too.
func (in Input) Datasets(ctx context.Context) ([]pipeline.Dataset, error) {
	if _, disk := in.store().(Disk); !disk || in.Path == Standard || in.NewFiles {
		return nil, nil
	}
	infos, err := match(ctx, in.store(), in.Path)
	if err != nil {
		return nil, err
	}
	var all []pipeline.Dataset
	for _, info := range infos {
		path, err := filepath.Abs(filepath.FromSlash(info.Name))
		if err != nil {
			return nil, err
		}
		all = append(all, pipeline.Dataset{Namespace: "file", Name: path})
	}
	return all, nil
}

// Datasets says which file of this machine's disk is written.
func (o Output) Datasets(context.Context) ([]pipeline.Dataset, error) {
	d, disk := o.store().(Disk)
	if !disk || o.Path == Standard {
		return nil, nil
	}
	path, err := d.resolve(o.Path)
	return []pipeline.Dataset{{Namespace: "file", Name: path, Writes: true}}, err
}
