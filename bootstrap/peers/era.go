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
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/file"
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
	text, err := os.ReadFile(filepath.Join(dir, eraFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}

	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// torn tells whether a folder's era cannot be read: versions before wrote it so that a loss of power could
// leave it empty. Nobody knows what such a folder is of; its member joins anew.
func torn(dir string) bool {
	_, err := eraOf(dir)
	return errors.Is(err, strconv.ErrSyntax)
}

func writeEra(dir string, era int) error {
	_, err := file.Write(
		filepath.Join(dir, eraFile),
		[]byte(strconv.Itoa(era)+"\n"),
		file.Options{Mode: 0o600},
	)

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
	hold := func(c *tls.Config) {
		if want != "" {
			c.NextProtos = []string{want}
		}

		verify := c.VerifyConnection
		c.VerifyConnection = func(state tls.ConnectionState) error {
			if verify != nil {
				if err := verify(state); err != nil {
					return err
				}
			}

			if state.NegotiatedProtocol != want {
				return fmt.Errorf(
					"%w: it speaks %q here, %q there",
					ErrOtherEra,
					want,
					state.NegotiatedProtocol,
				)
			}

			return nil
		}
	}

	if choose := config.GetConfigForClient; choose != nil {
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			one, err := choose(hello)
			if err == nil && one != nil {
				hold(one)
			}

			return one, err
		}
	}

	hold(config)

	return config
}

// declareEra writes a rebuilt peer set's era into itself, where all nodes see it.
func (s *Store) declareEra(ctx context.Context, era int) {
	for ctx.Err() == nil {
		err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			var declared int
			err := tx.QueryRowContext(ctx,
				`SELECT CAST(value AS INTEGER) FROM settings WHERE key = ?`,
				peerset.SettingEra,
			).Scan(&declared)
			if err != nil && !errors.Is(err, sql.ErrNoRows) || declared >= era {
				return err
			}

			_, err = tx.ExecContext(ctx,
				`INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2`,
				peerset.SettingEra,
				strconv.Itoa(era),
			)
			if err != nil {
				return err
			}

			text := fmt.Sprintf(
				"the peer set was rebuilt from the member at %s: era %d begins",
				s.config.Address,
				era,
			)

			if err := s.happen(ctx, tx, peerset.Event{
				Kind: peerset.EventRebuilt,
				Node: s.config.Node,
				Text: text,
			}); err != nil {
				return err
			}

			return s.bump(ctx, tx)
		})
		if err == nil {
			return
		}

		s.config.Log.Debug("declare the era", "err", err)

		select {
		case <-ctx.Done():
		case <-time.After(s.config.Refresh):
		}
	}
}
