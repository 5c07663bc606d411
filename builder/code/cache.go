package code

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/roles"
)

// Cache is a folder of archives by their sums: what was fetched once is not fetched for the next bake.
type Cache string

// DefaultCache is where archives are kept when nobody says where (XDG Base Directory Specification).
func DefaultCache() (Cache, error) {
	folder, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the folder of fetched archives: %w", err)
	}

	return Cache(filepath.Join(folder, "hornero", "code")), nil
}

const (
	// maxArchive bounds an archive, in bytes.
	maxArchive = 256 << 20

	// fetchTimeout bounds the whole of one archive's way here.
	fetchTimeout = 10 * time.Minute
)

// archive is an archive's bytes, as its sum says.
func (c Cache) archive(ctx context.Context, archive roles.Archive) ([]byte, error) {
	want := strings.ToLower(archive.SHA256)

	if archive.File != "" {
		data, err := archive.Data()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", archive.File, err)
		}

		return data, held(data, want)
	}

	kept := filepath.Join(string(c), want+".zip")
	if data, err := os.ReadFile(kept); err == nil && held(data, want) == nil {
		return data, nil
	}

	data, err := fetch(ctx, archive.URL)
	if err != nil {
		return nil, err
	}

	if err := held(data, want); err != nil {
		return nil, fmt.Errorf("%s: %w", archive.URL, err)
	}

	// Without a cache the next bake fetches it again: no reason to end this one.
	if err := os.MkdirAll(string(c), 0o755); err == nil {
		_, _ = file.Write(kept, data, file.Options{Mode: 0o644})
	}

	return data, nil
}

// held compares an archive with its sum.
func held(data []byte, want string) error {
	if have := fmt.Sprintf("%x", sha256.Sum256(data)); have != want {
		return fmt.Errorf("its SHA-256 is %s, not %s", have, want)
	}

	return nil
}

func fetch(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()

	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s", address, response.Status)
	}

	data, err := io.ReadAll(io.LimitReader(response.Body, maxArchive+1))
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", address, err)
	}

	if len(data) > maxArchive {
		return nil, errors.New("the archive is larger than 256 MB")
	}

	return data, nil
}
