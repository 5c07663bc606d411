package peers

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/pause"
)

// A rebuilt peer set is of another era. Members of different eras do not speak: the rest of the old peer set
// may come back from what was taken for its death, and its log and the new one's must never meet. The era is
// the protocol that both sides name in the handshake (ALPN); the first era has no name, as older versions of
// this program name none.
const (
	eraFile     = "era"
	eraProtocol = "hornero-era-"
)

// ErrOtherEra refuses a member of a peer set that was rebuilt since, or before.
var ErrOtherEra = errors.New("the peer set was rebuilt: it is of another era")

func eraOf(dir string) (int, error) {
	// The first era has no file: versions of this program that knew no eras left none.
	text, err := os.ReadFile(filepath.Join(dir, eraFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}

	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// eraTorn tells whether a folder's era cannot be read: versions before wrote it so that a loss of power could
// leave it empty. Nobody knows what such a folder is of; its member joins anew.
func eraTorn(dir string) bool {
	_, err := eraOf(dir)
	return errors.Is(err, strconv.ErrSyntax)
}

func writeEra(dir string, era int) error {
	text := []byte(strconv.Itoa(era) + "\n")
	_, err := file.Write(filepath.Join(dir, eraFile), text, file.Options{Mode: 0o600})

	// Without its name on disk the file is lost with the power, and the member would be of the first era.
	return errors.Join(err, file.Sync(dir))
}

func protocol(era int) string {
	if era == 0 {
		return ""
	}

	return eraProtocol + strconv.Itoa(era)
}

// inEra makes a configuration speak to members of the same era only.
func inEra(config *tls.Config, era int) *tls.Config {
	config = config.Clone()
	want := protocol(era)

	// What GetConfigForClient returns replaces the whole configuration, so it must ask for the era as well.
	if choose := config.GetConfigForClient; choose != nil {
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(hello)
			if err == nil && chosen != nil {
				requireProtocol(chosen, want)
			}

			return chosen, err
		}
	}

	requireProtocol(config, want)

	return config
}

// requireProtocol adds to what a configuration asks of the other side that it names this protocol.
func requireProtocol(config *tls.Config, want string) {
	if want != "" {
		config.NextProtos = []string{want}
	}

	verify := config.VerifyConnection
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if verify != nil {
			if err := verify(state); err != nil {
				return err
			}
		}

		// TLS itself accepts a side that names no protocol at all.
		if got := state.NegotiatedProtocol; got != want {
			return fmt.Errorf("%w: it speaks %q here, %q there", ErrOtherEra, want, got)
		}

		return nil
	}
}

// declareEra writes a rebuilt peer set's era into itself, where all nodes see it.
func (s *Store) declareEra(ctx context.Context, era int) {
	// The rest of the old peer set finds out about the new one by its era, so this is tried until it is written.
	for ctx.Err() == nil {
		err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			return s.writeDeclaration(ctx, tx, era)
		})
		if err == nil {
			return
		}

		s.config.Log.Debug("declare the era", "err", err)
		pause.For(ctx, s.config.Refresh)
	}
}

func (s *Store) writeDeclaration(ctx context.Context, tx *sql.Tx, era int) error {
	var declared int
	err := tx.QueryRowContext(ctx,
		`SELECT CAST(value AS INTEGER) FROM settings WHERE key = ?`,
		peerset.SettingEra,
	).Scan(&declared)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}

	// Every member of the era declares it. The event is for the first one only.
	if declared >= era {
		return nil
	}

	if err := putSetting(ctx, tx, peerset.SettingEra, strconv.Itoa(era)); err != nil {
		return err
	}

	text := fmt.Sprintf(
		"the peer set was rebuilt from the member at %s: era %d begins",
		s.config.Address,
		era,
	)

	err = s.addEvent(ctx, tx, peerset.Event{
		Kind: peerset.EventRebuilt,
		Node: s.config.Node,
		Text: text,
	})
	if err != nil {
		return err
	}

	return s.bump(ctx, tx)
}
