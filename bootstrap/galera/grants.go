package galera

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// SettingGrants is the key of what is known of the users and grants that were applied last.
const SettingGrants = peerset.SettingGrants

// Granted tells users and grants that were applied from others, without telling what they are: they have passwords in
// them, and everybody in the stack reads the store.
type Granted struct {
	Salt   string    `json:"salt"`
	Sum    string    `json:"sum"`    // PBKDF2 of the statements
	Issued time.Time `json:"issued"` // when the document was made that they came from
	Node   string    `json:"node"`
}

// sumRounds makes guessing a password from its sum slow; the sum is made anew only when the record or the file
// changes.
const sumRounds = 200_000

func sum(text, salt string) (string, error) {
	key, err := pbkdf2.Key(sha256.New, text, []byte(salt), sumRounds, sha256.Size)
	return hex.EncodeToString(key), err
}

// compared is the last comparison of a record and a file.
type compared struct {
	record string
	text   [sha256.Size]byte
	due    bool
}

// regrant applies users and grants again, on the writer, when its document has others than those that were
// applied last and is newer: while passwords are rotated, nodes of both kinds take turns as the writer.
func (d *Driver) regrant(ctx context.Context, in Input) error {
	writes := in.holdsWriter() && in.Local.Wsrep.synced()
	if d.GrantsFile == "" || !writes || time.Now().Before(d.regrantAt) {
		return nil
	}

	text, err := os.ReadFile(d.GrantsFile)
	if err != nil {
		return fmt.Errorf("read users and grants: %w", err)
	}

	now := compared{
		record: in.Peers.Settings[SettingGrants],
		text:   sha256.Sum256(text),
	}

	// The comparison is slow on purpose, and made once for a record and a file.
	if now.record == d.compared.record && now.text == d.compared.text && !d.compared.due {
		return nil
	}

	if now.due, err = d.differ(now.record, string(text)); err != nil {
		return err
	}

	d.compared = now

	if !now.due {
		return nil
	}

	d.Log.Info("apply users and grants: the node's document has others than were applied last")

	if err := d.Database.Apply(ctx, d.GrantsFile); err != nil {
		// It may have taken all its time, in which the driver saw nothing.
		d.regrantAt = time.Now().Add(d.Times.LeaseTTL)

		return err
	}

	if err := d.granted(ctx, string(text), in.Peers.Leases[peerset.LeaseWriter]); err != nil {
		return err
	}

	// The next look compares with the record in the snapshot, and must not find the old one.
	return d.waitFor(ctx, func(s peerset.Snapshot) bool {
		return s.Settings[SettingGrants] != now.record
	})
}

// differ tells whether a node's statements are to be applied although the record says that some were.
func (d *Driver) differ(record, text string) (bool, error) {
	if record == "" {
		return true, nil
	}

	var last Granted

	if err := json.Unmarshal([]byte(record), &last); err != nil {
		return false, fmt.Errorf("read setting %s: %w", SettingGrants, err)
	}

	mine, err := sum(text, last.Salt)
	if err != nil {
		return false, err
	}

	if subtle.ConstantTimeCompare([]byte(mine), []byte(last.Sum)) == 1 {
		return false, nil
	}

	if !d.Issued.After(last.Issued) {
		d.Log.Warn("users and grants stay: another node applied them from a newer document; replace this node",
			"node", last.Node,
		)

		return false, nil
	}

	return true, nil
}

// granted records what was applied.
func (d *Driver) granted(ctx context.Context, text string, fence peerset.Lease) error {
	salt := rand.Text()
	mine, err := sum(text, salt)
	if err != nil {
		return fmt.Errorf("write what was granted: %w", err)
	}

	record, err := json.Marshal(Granted{
		Salt:   salt,
		Sum:    mine,
		Issued: d.Issued,
		Node:   d.Node,
	})
	if err != nil {
		return fmt.Errorf("write what was granted: %w", err)
	}

	if err := d.Set.Put(ctx, SettingGrants, string(record), fence); err != nil {
		return fmt.Errorf("write what was granted: %w", err)
	}

	return nil
}
