package manual

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// completions are the shells, and the path at which each looks for the completion of a program.
var completions = map[string]string{
	"bash": "completions/bash/%s",
	"zsh":  "completions/zsh/_%s",
	"fish": "completions/fish/%s.fish",
}

// Write writes the program's man pages into man/ of a folder, compressed as Debian wants them, and the completions of
// the shells into completions/.
func (p Program) Write(ctx context.Context, folder string) error {
	pages, err := p.Pages(ctx)
	if err != nil {
		return err
	}

	for _, page := range pages {
		compressed, err := Compress([]byte(page.Text()))
		if err != nil {
			return err
		}

		if err := write(filepath.Join(folder, "man", page.Name()+".1.gz"), compressed); err != nil {
			return err
		}
	}

	for shell, path := range completions {
		script, err := p.Completion(ctx, shell)
		if err != nil {
			return err
		}

		path = fmt.Sprintf(path, filepath.Base(p.Path))
		if err := write(filepath.Join(folder, path), []byte(script)); err != nil {
			return err
		}
	}

	return nil
}

// Compress is `gzip -9 -n`: no name and no time, so that the same text gives the same bytes.
func Compress(text []byte) ([]byte, error) {
	var out bytes.Buffer
	compressor, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}

	if _, err := compressor.Write(text); err != nil {
		return nil, err
	}

	if err := compressor.Close(); err != nil {
		return nil, err
	}

	return out.Bytes(), nil
}

func write(path string, contents []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}

	return os.WriteFile(path, contents, 0o644)
}
