package roles

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

var (
	// webAddress is a scheme, a host, a port perhaps, and a path: nothing that means something to a configuration or to
	// a shell.
	webAddress = regexp.MustCompile(`^https?://([A-Za-z0-9.-]+)(?::([1-9][0-9]{0,4}))?(/[A-Za-z0-9._~-]+)*/?$`)

	// hostLabel is a part of a host's name between two dots (RFC 1123, 2.1; its length by RFC 1035, 2.3.4).
	hostLabel = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
	allDigits = regexp.MustCompile(`^[0-9]+$`)
)

const (
	maxHostName = 253 // RFC 1035, without the dot at its end
	maxPort     = 65535
)

// isWebAddress tells whether a text is an address of the web in plain letters: no user, no query, no fragment.
func isWebAddress(text string) bool {
	parts := webAddress.FindStringSubmatch(text)
	if parts == nil || !isHost(parts[1]) {
		return false
	}

	port, err := strconv.Atoi(parts[2])

	return parts[2] == "" || err == nil && port <= maxPort
}

// isOrigin tells whether a text is an address of the web without a path.
func isOrigin(text string) bool {
	_, host, _ := strings.Cut(strings.TrimSuffix(text, "/"), "://")
	return isWebAddress(text) && !strings.Contains(host, "/")
}

// isHost tells whether a text is a host's name in its ASCII form, or an IPv4 address.
func isHost(text string) bool {
	if address, err := netip.ParseAddr(text); err == nil {
		return address.Is4()
	}

	labels := strings.Split(text, ".")
	for _, label := range labels {
		if !hostLabel.MatchString(label) {
			return false
		}
	}

	// What ends in a number is read as an address, and this one is none.
	return len(text) <= maxHostName && !allDigits.MatchString(labels[len(labels)-1])
}
