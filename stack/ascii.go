package stack

import (
	"net/url"
	"strings"

	"golang.org/x/net/idna"

	"github.com/hornero/hornero/roles"
)

// asciiForm is what to write in place of a host of other letters than ASCII's, as the end of a sentence about the
// value; empty when that is not what is wrong with it. The file has the form that daemons, certificates and DNS have:
// nobody converts it on the way, and so nobody converts it otherwise than another does.
func asciiForm(kind, value string) string {
	host := value

	switch kind {
	case roles.TypeURL, roles.TypeOrigin:
		address, err := url.Parse(value)
		if err != nil {
			return ""
		}

		host = address.Hostname()
	case roles.TypeHost:
	default:
		return ""
	}

	// Names are looked up by these rules (RFC 5891, 5; UTS 46).
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil || ascii == host || ascii == strings.ToLower(host) {
		return ""
	}

	return "; write the host as " + ascii
}
