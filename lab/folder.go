package lab

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/lab/machine"
)

const (
	// DefaultName is the lab that is meant when none is named.
	DefaultName = "default"
	// DefaultAddress is where the default lab listens, unless somebody else does.
	DefaultAddress = "127.0.0.1:7677"
	// FolderVariable names the environment variable that moves all labs to another folder.
	FolderVariable = "HORNERO_LAB_DIR"
	// CacheVariable names the environment variable that moves what labs share to another folder.
	CacheVariable = "HORNERO_CACHE_DIR"

	defaultFolder = "/var/lib/hornero/lab"
	defaultCache  = "/var/cache/hornero"
)

// defaultPublic is the default lab's public range; other labs get 198.18.N.0/24.
func defaultPublic() netip.Prefix { return netip.MustParsePrefix("198.51.100.0/24") }

// Folder is where one lab keeps everything.
type Folder struct {
	Parent string
	Name   string
}

// FolderOf is the folder of the lab of a name.
func FolderOf(name string) Folder {
	parent := os.Getenv(FolderVariable)
	if parent == "" {
		parent = defaultFolder
	}

	return Folder{Parent: parent, Name: name}
}

func cacheFolder() string {
	if cache := os.Getenv(CacheVariable); cache != "" {
		return cache
	}

	return defaultCache
}

func (f Folder) path(name ...string) string {
	return filepath.Join(append([]string{f.Parent, f.Name}, name...)...)
}

// TokenFile holds the API's token, for root only.
func (f Folder) TokenFile() string { return f.path("token") }

// LogFile is what the lab says.
func (f Folder) LogFile() string { return f.path("lab.log") }

func (f Folder) stateFile() string    { return f.path("state.json") }
func (f Folder) settingsFile() string { return f.path("lab.json") }
func (f Folder) runFile() string      { return f.path("run.json") }
func (f Folder) serverLock() string   { return f.path("server.lock") }
func (f Folder) machines() string     { return f.path("machines") }
func (f Folder) balancers() string    { return f.path("balancers") }
func (f Folder) spaces() string       { return f.path("spaces") }

// exists tells whether there is anything of the lab on disk.
func (f Folder) exists() bool {
	_, err := os.Stat(f.path())
	return err == nil
}

// make makes the folder, for root only.
func (f Folder) make() error {
	if err := os.MkdirAll(f.Parent, 0o755); err != nil {
		return fmt.Errorf("make the folder of the labs: %w", err)
	}
	if err := os.Mkdir(f.path(), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the lab's folder: %w", err)
	}

	return nil
}

// remove removes the folder and, when it was the last one, those above it that hornero made.
func (f Folder) remove() error {
	if err := os.RemoveAll(f.path()); err != nil {
		return fmt.Errorf("remove the lab's folder: %w", err)
	}

	os.Remove(f.Parent) // only when it is empty

	if f.Parent == defaultFolder {
		os.Remove(filepath.Dir(f.Parent))
	}

	return nil
}

// settings are what a lab was given at its first start and keeps until it is reset.
type settings struct {
	Public  netip.Prefix      `json:"public_range"`
	Address string            `json:"address"`          // where it listens; tried again at each start
	Spaces  map[string]string `json:"spaces,omitempty"` // where each region's Spaces listen; likewise
	Pace
}

func (f Folder) settings() (settings, error) {
	var s settings
	data, err := os.ReadFile(f.settingsFile())
	if err != nil {
		return s, err
	}

	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("read %s: %w", f.settingsFile(), err)
	}

	return s, nil
}

func (f Folder) keepSettings(s settings) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}

	_, err = file.Write(f.settingsFile(), data, file.Options{Mode: 0o600})

	return err
}

// settle reads the lab's settings, or chooses them: two labs that start for the first time at once choose in turn.
func (f Folder) settle(public netip.Prefix) (settings, error) {
	unlock, err := lockFolder(f.Parent)
	if err != nil {
		return settings{}, err
	}
	defer unlock()

	kept, err := f.settings()
	if err == nil {
		if public.IsValid() && public != kept.Public {
			return kept, fmt.Errorf(
				"lab %s has the public range %s: `hornero lab reset --name %s` before it gets another",
				f.Name,
				kept.Public,
				f.Name,
			)
		}

		return kept, nil
	}

	if !errors.Is(err, fs.ErrNotExist) {
		return kept, err
	}

	if !public.IsValid() {
		if public, err = f.choosePublic(); err != nil {
			return kept, err
		}
	}

	// before it is kept: a lab that cannot start could not be reset either
	if err := machine.CheckPublic(public); err != nil {
		return kept, fmt.Errorf("lab %s: %w", f.Name, err)
	}

	kept = settings{Public: public}

	return kept, f.keepSettings(kept)
}

// choosePublic takes the default lab's range, or the first 198.18.N.0/24 that no other lab and no route has.
func (f Folder) choosePublic() (netip.Prefix, error) {
	if f.Name == DefaultName {
		return defaultPublic(), nil
	}

	taken, err := f.takenRanges()
	if err != nil {
		return netip.Prefix{}, err
	}

	for n := range 256 {
		candidate := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(n), 0}), 24)
		if !slices.ContainsFunc(taken, candidate.Overlaps) {
			return candidate, nil
		}
	}

	return netip.Prefix{}, errors.New("no range is left for another lab: reset one")
}

func (f Folder) takenRanges() ([]netip.Prefix, error) {
	taken := []netip.Prefix{}
	others, err := os.ReadDir(f.Parent)
	if err != nil {
		return nil, fmt.Errorf("list the labs: %w", err)
	}

	for _, other := range others {
		if kept, err := (Folder{
			Parent: f.Parent,
			Name:   other.Name(),
		}).settings(); err == nil {
			taken = append(taken, kept.Public)
		}
	}

	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}

	for _, route := range routes {
		if route.Dst == nil {
			continue
		}
		if prefix, err := netip.ParsePrefix(route.Dst.String()); err == nil && prefix.Bits() > 0 {
			taken = append(taken, prefix)
		}
	}

	return taken, nil
}

// token reads the lab's token, or makes it.
func (f Folder) token() (string, error) {
	data, err := os.ReadFile(f.TokenFile())
	if err == nil && len(data) > 0 {
		return string(data), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the lab's token: %w", err)
	}

	var random [32]byte
	rand.Read(random[:])

	token := hex.EncodeToString(random[:])
	_, err = file.Write(f.TokenFile(), []byte(token), file.Options{Mode: 0o600})

	return token, err
}

// lock makes the folder and waits until nobody else starts, stops or resets the lab.
func (f Folder) lock() (unlock func(), err error) {
	for {
		if err := f.make(); err != nil {
			return nil, err
		}

		unlock, err := lockFolder(f.path())
		if errors.Is(err, errFolderGone) {
			continue // a reset had it
		}

		return unlock, err
	}
}

var errFolderGone = errors.New("the folder was removed meanwhile")

// lockFolder waits until nobody else holds the folder. The lock goes with the process, however it ends.
func lockFolder(path string) (unlock func(), err error) {
	folder, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("lock %s: %w", path, errFolderGone)
	}

	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}

	if err := unix.Flock(int(folder.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), folder.Close())
	}

	locked, err := folder.Stat()
	if there, missing := os.Stat(path); err != nil || missing != nil || !os.SameFile(locked, there) {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, errFolderGone), folder.Close())
	}

	return func() { folder.Close() }, nil
}
