// Package mirror is a package mirror for tests: signed with a key that it makes, served on loopback, and changed as a
// test likes.
package mirror

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
)

// Mirror has suites with packages.
type Mirror struct {
	URL     string
	KeyFile string // with the public key, for who is to trust the mirror

	t   *testing.T
	key *openpgp.Entity

	mutex sync.Mutex
	files map[string]file
	asked []string // paths, in order
	down  bool
}

type file struct {
	data     []byte
	modified time.Time
}

// Package is one that a suite offers.
type Package struct {
	Name    string
	Version string
	Source  string // empty: as its name
}

// Suite is what a suite's list says.
type Suite struct {
	Name       string
	Date       time.Time
	ValidUntil time.Time // zero: it does not say
	Packages   []Package
}

// New makes a key and serves nothing yet.
func New(t *testing.T) *Mirror {
	t.Helper()

	const name, comment, mail = "a test's archive", "", "archive@example.org"

	key, err := openpgp.NewEntity(name, comment, mail, at(keyMade))
	require.NoError(t, err)

	folder := t.TempDir()
	m := &Mirror{
		KeyFile: filepath.Join(folder, "keys.gpg"),
		t:       t,
		key:     key,
		files:   map[string]file{},
	}

	var public bytes.Buffer
	require.NoError(t, key.Serialize(&public))

	err = os.WriteFile(m.KeyFile, public.Bytes(), 0o600)
	require.NoError(t, err)

	handler := http.HandlerFunc(m.serve)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)

	m.URL = server.URL

	return m
}

// keyMade is before anything that a test publishes.
var keyMade = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// at is a key's or signature's time, and a kind of key that is quickly made.
func at(moment time.Time) *packet.Config {
	return &packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA,
		Time:      func() time.Time { return moment },
	}
}

func (m *Mirror) serve(w http.ResponseWriter, r *http.Request) {
	m.mutex.Lock()
	m.asked = append(m.asked, r.URL.Path)
	found, there := m.files[r.URL.Path]
	down := m.down
	m.mutex.Unlock()

	switch {
	case down:
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	case !there:
		http.NotFound(w, r)
		return
	}

	http.ServeContent(w, r, "", found.modified, bytes.NewReader(found.data))
}

// Stop has the mirror answer that it is down.
func (m *Mirror) Stop() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.down = true
}

// Asked are the paths that were asked for since the last call.
func (m *Mirror) Asked() []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	asked := m.asked
	m.asked = nil

	return asked
}

// Publish signs a suite's list and serves it.
func (m *Mirror) Publish(suite Suite) {
	m.t.Helper()

	list := packed(m.t, suite.Packages)
	sum := sha256.Sum256(list)
	const name = "main/binary-amd64"

	var text strings.Builder
	line := func(format string, values ...any) {
		fmt.Fprintf(&text, format+"\n", values...)
	}

	line("Origin: Debian")
	line("Suite: stable")
	line("Codename: %s", suite.Name)
	line("Date: %s", dated(suite.Date))

	if !suite.ValidUntil.IsZero() {
		line("Valid-Until: %s", dated(suite.ValidUntil))
	}

	line("Acquire-By-Hash: yes")
	line("SHA256:")
	line(" %x %d %s/Packages.xz", sum, len(list), name)

	m.Put(suite.Name, fmt.Sprintf("%s/by-hash/SHA256/%x", name, sum), list, suite.Date)

	inRelease := m.sign(text.String(), suite.Date)
	m.Put(suite.Name, "InRelease", inRelease, suite.Date)
}

func dated(moment time.Time) string {
	return moment.UTC().Format(time.RFC1123)
}

// packed is a list of packages as it is served.
func packed(t *testing.T, packages []Package) []byte {
	t.Helper()

	var out bytes.Buffer

	// The library's own dictionary takes longer to clear than the rest of a test.
	small := xz.WriterConfig{DictCap: 1 << 16}
	writer, err := small.NewWriter(&out)
	require.NoError(t, err)

	for _, one := range packages {
		fmt.Fprintf(writer, "Package: %s\n", one.Name)

		if one.Source != "" {
			fmt.Fprintf(writer, "Source: %s (%s)\n", one.Source, one.Version)
		}

		const rest = "Version: %s\nDescription: of a test\n More of it.\n .\n Its last line.\n\n"
		fmt.Fprintf(writer, rest, one.Version)
	}

	require.NoError(t, writer.Close())

	return out.Bytes()
}

func (m *Mirror) sign(text string, date time.Time) []byte {
	m.t.Helper()

	var out bytes.Buffer
	writer, err := clearsign.Encode(&out, m.key.PrivateKey, at(date))
	require.NoError(m.t, err)

	_, err = writer.Write([]byte(text))
	require.NoError(m.t, err)
	require.NoError(m.t, writer.Close())

	return out.Bytes()
}

// Put serves a file of a suite.
func (m *Mirror) Put(suite, name string, data []byte, modified time.Time) {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	m.files["/dists/"+suite+"/"+name] = file{
		data:     data,
		modified: modified,
	}
}

// File is what is served.
func (m *Mirror) File(suite, name string) []byte {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	return m.files["/dists/"+suite+"/"+name].data
}

// Spoil changes all files of a suite whose path holds a word.
func (m *Mirror) Spoil(suite, word string, change func([]byte) []byte) {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	for path, found := range m.files {
		ours := strings.HasPrefix(path, "/dists/"+suite+"/")
		if ours && strings.Contains(path, word) {
			found.data = change(bytes.Clone(found.data))
			m.files[path] = found
		}
	}
}
