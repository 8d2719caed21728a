// Package maps holds the field maps: packs, each a folder that can be switched
// on alone, with its maps, the reference DDL of the tables it reads, and a
// README. The maps are embedded; a folder of the configuration can stand in
// for them.
package maps

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"chartwire/cdc"
	"chartwire/schemas/maps/ddl"
)

// Files are the packs of this build: <pack>/<map>.yaml and <pack>/reference.sql.
//
//go:embed om-aggregation labs
var Files embed.FS

// Pack is one folder of maps.
type Pack struct {
	Name string
	// Files are the map files: their name within the packs' folder, and text.
	Files []File
	// DDL is the reference DDL.
	DDL string
}

// File is one map file.
type File struct {
	Name string
	Text []byte
}

// Packs reads the named packs of a folder; without names, all of them.
func Packs(fsys fs.FS, names ...string) ([]Pack, error) {
	dirs, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("reading map packs: %w", err)
	}
	var have []string
	for _, d := range dirs {
		if files, _ := fs.Glob(fsys, d.Name()+"/*.yaml"); d.IsDir() && len(files) > 0 {
			have = append(have, d.Name())
		}
	}
	if len(names) == 0 {
		names = have
	}
	var packs []Pack
	for _, name := range names {
		if !slices.Contains(have, name) {
			return nil, fmt.Errorf("reading map packs: there is no pack %q; there are %s", name, strings.Join(have, ", "))
		}
		p, err := pack(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("reading map pack %s: %w", name, err)
		}
		packs = append(packs, p)
	}
	return packs, nil
}

func pack(fsys fs.FS, name string) (Pack, error) {
	p := Pack{Name: name}
	files, err := fs.Glob(fsys, path.Join(name, "*.yaml"))
	if err != nil {
		return p, err
	}
	for _, f := range files {
		text, err := fs.ReadFile(fsys, f)
		if err != nil {
			return p, err
		}
		p.Files = append(p.Files, File{f, text})
	}
	text, err := fs.ReadFile(fsys, path.Join(name, "reference.sql"))
	p.DDL = string(text)
	return p, err
}

// Tables are the pack's reference tables as those of a source's database.
func (p *Pack) Tables(source, database string) ([]*cdc.Table, error) {
	return ddl.Parse(source, database, p.DDL)
}
