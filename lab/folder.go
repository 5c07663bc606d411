package lab

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

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

// defaultPublic is the default lab's public range, as long as it is free; other labs get one of 198.18.0.0/15.
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

	// a folder that somebody named with the variable is theirs, and so is what is above it
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
	Owner   string            `json:"owner,omitempty"`  // the stack's file whose folder it belongs to
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

// claimer takes a public range for a lab on this computer, or returns machine.ErrRangeInUse.
type claimer func(public netip.Prefix) error

// chooseSettings reads the lab's settings, or makes them. It claims the public range first: a range that is refused is
// not kept. Two labs of one folder that start for the first time at once choose in turn.
func (f Folder) chooseSettings(public netip.Prefix, claim claimer) (settings, error) {
	// two first starts would find the same range free
	unlock, err := lockFolder(f.Parent)
	if err != nil {
		return settings{}, err
	}
	defer unlock()

	kept, err := f.settings()
	if err == nil {
		return kept, f.claimAgain(kept.Public, public, claim)
	}

	if !errors.Is(err, fs.ErrNotExist) {
		return kept, err
	}

	if public.IsValid() {
		err = f.claimNamed(public, claim)
	} else {
		public, err = f.claimAny(claim)
	}

	if err != nil {
		return kept, err
	}

	kept = settings{Public: public}

	return kept, f.keepSettings(kept)
}

// claimAgain takes the range that the lab had before. Another one may be asked for only after a reset.
func (f Folder) claimAgain(kept, asked netip.Prefix, claim claimer) error {
	// Droplets have addresses of the old range, and keep them
	if asked.IsValid() && asked != kept {
		return fmt.Errorf(
			"lab %s has the public range %s: `hornero lab reset --name %s` before it gets another",
			f.Name,
			kept,
			f.Name,
		)
	}

	err := claim(kept)
	if errors.Is(err, machine.ErrRangeInUse) {
		return fmt.Errorf(
			"lab %s: %w; free it there, or `hornero lab reset --name %s` and start the lab with another",
			f.Name,
			err,
			f.Name,
		)
	}

	return err
}

// claimNamed takes the range that somebody asked for.
func (f Folder) claimNamed(public netip.Prefix, claim claimer) error {
	// before it is kept: a lab that cannot start could not be reset either
	if err := machine.CheckPublic(public); err != nil {
		return fmt.Errorf("lab %s: %w", f.Name, err)
	}

	taken, err := f.takenRanges()
	if err != nil {
		return err
	}

	for _, other := range taken {
		if other.Overlaps(public) {
			return fmt.Errorf(
				"lab %s: public range %s is that of another lab; name another with --public-range, or none",
				f.Name,
				public,
			)
		}
	}

	err = claim(public)
	if errors.Is(err, machine.ErrRangeInUse) {
		return fmt.Errorf(
			"lab %s: %w; name another /24 with --public-range, or none and the lab takes a free one",
			f.Name,
			err,
		)
	}

	return err
}

// claimAny takes the first range that no other lab has and nothing else on this computer uses.
func (f Folder) claimAny(claim claimer) (netip.Prefix, error) {
	taken, err := f.takenRanges()
	if err != nil {
		return netip.Prefix{}, err
	}

	for _, candidate := range f.candidates() {
		if slices.ContainsFunc(taken, candidate.Overlaps) {
			continue // of a lab that may not run now
		}

		// only a range in use is passed over: any other error would meet all of them
		err := claim(candidate)
		if !errors.Is(err, machine.ErrRangeInUse) {
			return candidate, err
		}
	}

	return netip.Prefix{}, errors.New(
		"no range is left for another lab: reset one, or name a range with --public-range",
	)
}

// candidates are the ranges that a lab chooses from: the default lab's own, and all of 198.18.0.0/15, which is for
// tests of networks and never on the internet (RFC 2544). Where a lab begins to look depends on where it is kept: one
// that is stopped finds its range free again although another folder's labs do not know of it.
func (f Folder) candidates() []netip.Prefix {
	var all []netip.Prefix
	if f.Name == DefaultName {
		all = append(all, defaultPublic())
	}

	const count = 2 * 256
	begin := fnv.New32a()
	begin.Write([]byte(f.path()))

	for n := range uint32(count) {
		at := (begin.Sum32() + n) % count
		address := netip.AddrFrom4([4]byte{198, 18 + byte(at/256), byte(at % 256), 0})
		all = append(all, netip.PrefixFrom(address, 24))
	}

	return all
}

// takenRanges are the ranges of the other labs in the same folder, of those that do not run, too.
func (f Folder) takenRanges() ([]netip.Prefix, error) {
	others, err := os.ReadDir(f.Parent)
	if err != nil {
		return nil, fmt.Errorf("list the labs: %w", err)
	}

	taken := []netip.Prefix{}

	for _, other := range others {
		folder := Folder{Parent: f.Parent, Name: other.Name()}

		// a folder without settings was never started, and has no range
		if kept, err := folder.settings(); err == nil {
			taken = append(taken, kept.Public)
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

	// every user of this computer reaches loopback: only the token keeps them out of the API
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

	// the wait may be long: a reset holds the lock until it has removed the folder
	if err := unix.Flock(int(folder.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), folder.Close())
	}

	// a lock on a folder that was removed meanwhile keeps nobody away from the new one
	locked, err := folder.Stat()
	if there, missing := os.Stat(path); err != nil || missing != nil || !os.SameFile(locked, there) {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, errFolderGone), folder.Close())
	}

	return func() { folder.Close() }, nil
}
