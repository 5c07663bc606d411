package metadata_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/metadata"
)

func info() metadata.Info {
	return metadata.Info{
		ID:         100001,
		Hostname:   "blog-web-1",
		Region:     "nyc3",
		UserData:   "#cloud-config\n",
		VendorData: "#cloud-boothook\n",
		PublicKeys: []string{"ssh-ed25519 AAAA one\n", "ssh-rsa BBBB two"},
		Tags:       []string{"hornero", "hornero:blog:role:web"},
		Features:   []string{"private_networking"},
		Resolvers:  []netip.Addr{netip.MustParseAddr("198.51.100.1")},

		Public: metadata.Interface{
			Address: netip.MustParsePrefix("198.51.100.10/24"),
			Gateway: netip.MustParseAddr("198.51.100.1"),
			MAC:     "02:00:c6:33:64:0a",
			Anchor:  netip.MustParsePrefix("10.10.100.10/16"),
		},
		Private: metadata.Interface{
			Address: netip.MustParsePrefix("10.108.0.10/20"),
			Gateway: netip.MustParseAddr("10.108.0.1"),
			MAC:     "02:00:0a:6c:00:0a",
		},
	}
}

// get asks as a Droplet with the address would.
func get(method, path, from string) *httptest.ResponseRecorder {
	handler := metadata.Handler(func(address netip.Addr) (metadata.Info, bool) {
		return info(), address == info().Public.Address.Addr()
	})
	request := httptest.NewRequest(method, path, nil)
	request.RemoteAddr = from + ":40000"
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)

	return answer
}

func TestLeavesAndIndexes(t *testing.T) {
	for path, want := range map[string]string{
		"/metadata/v1/": "id\nhostname\nuser-data\nvendor-data\npublic-keys\nregion\ninterfaces/\ndns/\n" +
			"floating_ip/\nreserved_ip/\ntags/\nfeatures/",

		"/metadata/v1/id":          "100001",
		"/metadata/v1/hostname":    "blog-web-1",
		"/metadata/v1/user-data":   "#cloud-config\n",
		"/metadata/v1/vendor-data": "#cloud-boothook\n",
		"/metadata/v1/public-keys": "ssh-ed25519 AAAA one\nssh-rsa BBBB two",
		"/metadata/v1/region":      "nyc3",
		"/metadata/v1/tags/":       "hornero\nhornero:blog:role:web",

		"/metadata/v1/interfaces/":                             "public/\nprivate/",
		"/metadata/v1/interfaces/public/":                      "0/",
		"/metadata/v1/interfaces/public/0/":                    "ipv4/\nanchor_ipv4/\nmac\ntype",
		"/metadata/v1/interfaces/public/0/ipv4/address":        "198.51.100.10",
		"/metadata/v1/interfaces/public/0/ipv4/netmask":        "255.255.255.0",
		"/metadata/v1/interfaces/public/0/ipv4/gateway":        "198.51.100.1",
		"/metadata/v1/interfaces/public/0/anchor_ipv4/gateway": "10.10.0.1",
		"/metadata/v1/interfaces/private/0/ipv4/address":       "10.108.0.10",
		"/metadata/v1/interfaces/private/0/ipv4/netmask":       "255.255.240.0",
		"/metadata/v1/interfaces/private/0/mac":                "02:00:0a:6c:00:0a",

		"/metadata/v1/dns/nameservers":             "198.51.100.1",
		"/metadata/v1/reserved_ip/ipv4/active":     "false",
		"/metadata/v1/features/private_networking": "true",
	} {
		answer := get(http.MethodGet, path, "198.51.100.10")
		require.Equal(t, http.StatusOK, answer.Code, path)
		require.Equal(t, want, answer.Body.String(), path)
	}
}

func TestAFolderWithoutItsSlashIsMoved(t *testing.T) {
	for _, path := range []string{"/metadata/v1", "/metadata/v1/interfaces", "/metadata/v1/interfaces/public/0"} {
		answer := get(http.MethodGet, path, "198.51.100.10")
		require.Equal(t, http.StatusMovedPermanently, answer.Code, path)
		require.Equal(t, path+"/", answer.Header().Get("Location"))
	}
}

func TestWhatIsNotThere(t *testing.T) {
	for _, path := range []string{
		"/", "/metadata/v1/nothing", "/metadata/v1/id/", "/metadata/v1/id/x", "/metadata/v2/",
		"/metadata/v1x", "/latest/meta-data/",
	} {
		require.Equal(t,
			http.StatusNotFound,
			get(http.MethodGet, path, "198.51.100.10").Code,
			path,
		)
	}

	require.Equal(t,
		http.StatusNotFound,
		get(http.MethodGet, "/metadata/v1/id", "198.51.100.11").Code,
		"of somebody else",
	)

	require.Equal(t,
		http.StatusMethodNotAllowed,
		get(http.MethodPut, "/metadata/v1/id", "198.51.100.10").Code,
	)
}

func TestDocument(t *testing.T) {
	answer := get(http.MethodGet, "/metadata/v1.json", "198.51.100.10")
	require.Equal(t, "application/json", answer.Header().Get("Content-Type"))

	require.JSONEq(t, `{
		"droplet_id": 100001,
		"hostname": "blog-web-1",
		"user_data": "#cloud-config\n",
		"vendor_data": "#cloud-boothook\n",
		"public_keys": ["ssh-ed25519 AAAA one\n", "ssh-rsa BBBB two"],
		"region": "nyc3",
		"tags": ["hornero", "hornero:blog:role:web"],
		"interfaces": {
			"public": [{"mac": "02:00:c6:33:64:0a", "type": "public",
				"ipv4": {"ip_address": "198.51.100.10", "netmask": "255.255.255.0", "gateway": "198.51.100.1"},
				"anchor_ipv4": {"ip_address": "10.10.100.10", "netmask": "255.255.0.0", "gateway": "10.10.0.1"}}],
			"private": [{"mac": "02:00:0a:6c:00:0a", "type": "private",
				"ipv4": {"ip_address": "10.108.0.10", "netmask": "255.255.240.0", "gateway": "10.108.0.1"}}]
		},
		"dns": {"nameservers": ["198.51.100.1"]},
		"floating_ip": {"ipv4": {"active": false}},
		"reserved_ip": {"ipv4": {"active": false}},
		"features": {"dhcp_enabled": false, "private_networking": true}
	}`, answer.Body.String())
}

func TestNothingIsNull(t *testing.T) {
	handler := metadata.Handler(func(netip.Addr) (metadata.Info, bool) {
		return metadata.Info{ID: 1}, true
	})
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metadata/v1.json", nil))
	require.True(t, json.Valid(answer.Body.Bytes()))

	require.False(t,
		strings.Contains(answer.Body.String(), "null"),
		answer.Body.String(),
	)
}
