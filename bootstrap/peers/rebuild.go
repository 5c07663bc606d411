package peers

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/canonical/go-dqlite/v2"
	"github.com/canonical/go-dqlite/v2/client"

	"github.com/hornero/hornero/internal/file"
)

// Names beside a member's folder. A rebuilt peer set is prepared under the first, ready under the second, and
// takes the folder's place when the member next opens; what was there stays under the third.
const (
	rebuilding = ".rebuilding"
	rebuilt    = ".rebuilt"
	lost       = ".lost"

	basisFile = "basis.json"

	answerTimeout = 3 * time.Second
)

// ErrNoMember means that a folder holds no member's part of a peer set.
var ErrNoMember = errors.New("this node holds no part of a peer set")

// Survivor is what one member's folder holds of the peer set.
type Survivor struct {
	Address string   `json:"address"` // dqlite's
	Era     int      `json:"era"`     // how often the peer set was rebuilt
	Term    uint64   `json:"term"`    // of the last entry of its log
	Index   uint64   `json:"index"`   // 0: it has no copy of the store
	Role    string   `json:"role"`    // voter, stand-by or spare, as it last wrote down
	Voters  []string `json:"voters"`  // dqlite's addresses, as it last wrote down
	id      uint64
}

// ReadFolder reads a member's folder, also while the member runs: it reads a copy, and without a quorum nothing is
// added to the folder meanwhile.
func ReadFolder(dir string) (Survivor, error) {
	if !known(dir) {
		return Survivor{}, fmt.Errorf("read member folder %s: %w", dir, ErrNoMember)
	}

	scratch, err := os.MkdirTemp(filepath.Dir(dir), "look-")
	if err != nil {
		return Survivor{}, err
	}
	defer os.RemoveAll(scratch)

	if err := copyFolder(dir, scratch); err != nil {
		return Survivor{}, fmt.Errorf("read member folder %s: %w", dir, err)
	}

	return readFolder(scratch)
}

// readFolder reads a folder that no member has open.
func readFolder(dir string) (Survivor, error) {
	var self client.NodeInfo
	if err := readYAML(filepath.Join(dir, "info.yaml"), &self); err != nil {
		return Survivor{}, err
	}

	var all []client.NodeInfo
	if err := readYAML(filepath.Join(dir, "cluster.yaml"), &all); err != nil {
		return Survivor{}, err
	}

	last, err := dqlite.ReadLastEntryInfo(dir)
	if err != nil {
		return Survivor{}, fmt.Errorf("read the last entry: %w", err)
	}

	era, err := eraOf(dir)
	if err != nil {
		return Survivor{}, err
	}

	survivor := Survivor{
		Address: self.Address,
		Era:     era,
		Term:    last.Term,
		Index:   last.Index,
		Voters:  []string{},
		id:      self.ID,
	}

	for _, node := range all {
		if node.ID == self.ID {
			survivor.Role = node.Role.String()
		}

		if node.Role == client.Voter {
			survivor.Voters = append(survivor.Voters, node.Address)
		}
	}

	return survivor, nil
}

// Answering returns those of the voters that answer at dqlite's port: this member itself counts as one.
func (s Survivor) Answering(ctx context.Context, config *tls.Config) []string {
	config = inEra(config, s.Era)

	// go-dqlite takes a configuration with ClientCAs for a server's.
	config.ClientCAs = nil

	// A voter that is gone takes the whole timeout, so all are asked at once.
	answers := make([]bool, len(s.Voters))
	var all sync.WaitGroup

	for at, voter := range s.Voters {
		all.Go(func() {
			answers[at] = voter == s.Address || answersAt(ctx, voter, config)
		})
	}

	all.Wait()

	answering := []string{}

	for at, voter := range s.Voters {
		if answers[at] {
			answering = append(answering, voter)
		}
	}

	return answering
}

// answersAt tells whether dqlite itself answers: a machine that is frozen still takes connections.
func answersAt(ctx context.Context, address string, config *tls.Config) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()

	dial := client.DialFuncWithTLS(client.DefaultDialFunc, config)

	member, err := client.New(ctx, address, client.WithDialFunc(dial))
	if err != nil {
		return false
	}
	defer member.Close()

	_, err = member.Describe(ctx)

	return err == nil
}

// Rebuild prepares a peer set of this one member from what its folder holds. The folder itself is not touched: the
// next Open puts the new one in its place, if nothing was added to the old one meanwhile. When it is interrupted or
// repeated, it starts from the beginning. The caller must know that no majority of the old peer set is left or will
// come back.
func Rebuild(ctx context.Context, dir string) (Survivor, error) {
	basis, err := rebuild(ctx, dir)
	if err != nil {
		return Survivor{}, fmt.Errorf("rebuild peer set: %w", err)
	}

	return basis, nil
}

func rebuild(ctx context.Context, dir string) (Survivor, error) {
	err := errors.Join(os.RemoveAll(dir+rebuilding), os.RemoveAll(dir+rebuilt))
	if err != nil {
		return Survivor{}, err
	}

	if !known(dir) {
		return Survivor{}, ErrNoMember
	}

	if err := os.Mkdir(dir+rebuilding, 0o700); err != nil {
		return Survivor{}, err
	}

	if err := copyFolder(dir, dir+rebuilding); err != nil {
		return Survivor{}, err
	}

	// The copy is the basis: the old peer set may still add to the folder.
	basis, err := readFolder(dir + rebuilding)
	if err != nil {
		return Survivor{}, err
	}

	if err := reshape(ctx, dir+rebuilding, basis); err != nil {
		return Survivor{}, err
	}

	// Only what is whole on disk gets the name that the next Open takes.
	if err := syncFolder(dir + rebuilding); err != nil {
		return Survivor{}, err
	}

	if err := os.Rename(dir+rebuilding, dir+rebuilt); err != nil {
		return Survivor{}, err
	}

	return basis, file.Sync(filepath.Dir(dir))
}

// reshape makes a copied folder that of the only member, in the next era.
func reshape(ctx context.Context, dir string, basis Survivor) error {
	only := []client.NodeInfo{{
		ID:      basis.id,
		Address: basis.Address,
		Role:    client.Voter,
	}}

	if err := dqlite.ReconfigureMembershipExt(dir, only); err != nil {
		return err
	}

	store, err := client.NewYamlNodeStore(filepath.Join(dir, "cluster.yaml"))
	if err != nil {
		return err
	}

	if err := store.Set(ctx, only); err != nil {
		return err
	}

	if err := writeEra(dir, basis.Era+1); err != nil {
		return err
	}

	// Without it install could not tell what was prepared before the machine's last start.
	boot, err := bootID()
	if err != nil {
		return err
	}

	text, err := json.Marshal(prepared{basis, boot})
	if err != nil {
		return err
	}

	return os.WriteFile(filepath.Join(dir, basisFile), text, 0o600)
}

// prepared is what a rebuilt peer set says of its origin.
type prepared struct {
	Survivor
	Boot string `json:"boot"` // of the machine
}

// bootID is another after each start of the machine (random(4)); "" where there is no /proc.
func bootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}

	return strings.TrimSpace(string(text)), err
}

// install puts a rebuilt peer set in the place of the one that it was rebuilt from. One whose basis has moved on is
// out of date: the old peer set lives. So is one that was prepared before the machine's last start: an operator who
// waited for it may have rebuilt the peer set from another survivor, and there would be two of one era.
func install(dir string) error {
	if _, err := os.Stat(dir + rebuilt); errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	// There is no folder when a start was broken off after it was set aside: then only the second step is left.
	if _, err := os.Stat(dir); err == nil {
		if stands, err := stillBasis(dir); err != nil || !stands {
			return errors.Join(err, os.RemoveAll(dir+rebuilt))
		}

		if err := SetAside(dir); err != nil {
			return err
		}
	}

	return errors.Join(os.Rename(dir+rebuilt, dir), file.Sync(filepath.Dir(dir)))
}

func stillBasis(dir string) (bool, error) {
	text, err := os.ReadFile(filepath.Join(dir+rebuilt, basisFile))
	if err != nil {
		return false, err
	}

	var basis prepared
	if err := json.Unmarshal(text, &basis); err != nil {
		return false, err
	}

	boot, err := bootID()
	if err != nil || boot != basis.Boot {
		return false, err
	}

	// An entry more than the basis has means that the old peer set still works.
	now, err := ReadFolder(dir)
	if err != nil {
		return false, err
	}

	return now.Era == basis.Era && now.Term == basis.Term && now.Index == basis.Index, nil
}
