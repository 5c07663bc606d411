package seal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"runtime/debug"
)

// Go's linker leaves the build information in the program's data (package debug/buildinfo describes it; that package
// itself brings readers of four kinds of object files): a header of 32 bytes that begins with the magic, then two texts with
// their lengths before them, the version and the modules. The modules' text has 16 bytes of sentinel at either end.
const (
	buildMagic    = "\xff Go buildinf:"
	buildHeader   = 32
	buildAlign    = 16
	buildFlags    = 15 // where the flags are
	inlineStrings = 2  // the flag of programs since Go 1.18
	sentinel      = 16
)

var errNoModules = errors.New("read build information: it has none")

// linkedModules returns the modules that a Go program is linked from.
func linkedModules(path string) ([]*debug.Module, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for offset := 0; ; {
		at := bytes.Index(data[offset:], []byte(buildMagic))
		if at < 0 {
			return nil, errNoModules
		}
		at += offset
		if modules, ok := modulesAt(data, at); ok {
			return modules, nil
		}
		offset = at + len(buildMagic) // the magic also stands in programs that look for it
	}
}

func modulesAt(data []byte, at int) ([]*debug.Module, bool) {
	if at%buildAlign != 0 || len(data) < at+buildHeader || data[at+buildFlags]&inlineStrings == 0 {
		return nil, false
	}
	_, rest, ok := text(data[at+buildHeader:])
	if !ok {
		return nil, false
	}
	modules, _, ok := text(rest)
	if !ok || len(modules) < 2*sentinel {
		return nil, false
	}
	info, err := debug.ParseBuildInfo(string(modules[sentinel : len(modules)-sentinel]))
	if err != nil {
		return nil, false
	}
	return info.Deps, true
}

func text(data []byte) (value, rest []byte, ok bool) {
	length, size := binary.Uvarint(data)
	if size <= 0 || length > uint64(len(data)-size) {
		return nil, nil, false
	}
	return data[size : size+int(length)], data[size+int(length):], true
}
