package archive_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/archive"
)

func TestSitesAreKnownByTheirLastFolder(t *testing.T) {
	for lines, want := range map[string]archive.Sites{
		"": {},
		"http://mirror.example/debian/\nhttp://mirror.example/debian-security\nhttp://other.example/debian\n": {
			Mirror:   "http://mirror.example/debian",
			Security: "http://mirror.example/debian-security",
		},
		"http://mirror.example/ubuntu\nhttp://mirror.example/debian-ports\n": {},
	} {
		require.Equal(t, want, archive.SitesOf(lines), lines)
	}
}
