package acme_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/acme"
	"github.com/hornero/hornero/internal/certificates"
)

// memory is what all nodes of a role share. A node that is to die does so before, or after, some write.
type memory struct {
	mu     sync.Mutex
	kept   map[string]string
	writes int
	dies   int  // before the write of this number; 0: never
	late   bool // that write is done all the same
}

var errDead = errors.New("the node is lost")

func newMemory() *memory { return &memory{kept: map[string]string{}} }

func (m *memory) Read(context.Context) (map[string]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()

	return maps.Clone(m.kept), nil
}

func (m *memory) Write(_ context.Context, name, text string) error {
	m.mu.Lock()
	defer m.mu.Unlock()

	m.writes++
	dead := m.dies > 0 && m.writes >= m.dies

	if !dead || m.late && m.writes == m.dies {
		m.kept[name] = text
	}

	if dead {
		return errDead
	}

	return nil
}

// told is what is told of a certificate.
func (m *memory) told(t *testing.T, name string) acme.Told {
	t.Helper()

	var told acme.Told
	require.NoError(
		t,
		json.Unmarshal([]byte(m.kept[certificates.ToldPrefix+name]), &told),
	)

	return told
}
