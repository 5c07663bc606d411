package stack

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/signature"
)

// Images is what holds for the stack's images.
type Images struct {
	// MaxAge is how old an image may be before `hornero images bake` makes another of the same content; empty: any age.
	MaxAge Age `yaml:"max_age"`
	// SignedBy are public keys (ssh-ed25519) whose word for an image is taken. The stack's own, ImageKey in the secrets
	// file, is taken besides.
	SignedBy []string `yaml:"signed_by"`
	// Unsigned is what happens to an image without a signature: UnsignedTell (the default) or UnsignedRefuse.
	Unsigned string `yaml:"unsigned"`
}

// What happens to an image that no key signed.
const (
	UnsignedTell   = "tell"   // where a key is known, it is told of, and launched
	UnsignedRefuse = "refuse" // no node is launched from it
)

// Age is a number of days or hours, as in 30d or 36h.
type Age string

// agePattern leaves out an age of nothing, with which every bake would bake everything, and ages of centuries.
var agePattern = regexp.MustCompile(`^[1-9][0-9]{0,3}[dh]$`)

const day = 24 * time.Hour

// Duration is the age as a duration; 0 for one that is not said.
func (a Age) Duration() time.Duration {
	unit := time.Hour
	if strings.HasSuffix(string(a), "d") {
		unit = day
	}

	// The check has seen that it is a number.
	number, _ := strconv.Atoi(strings.TrimRight(string(a), "dh"))

	return time.Duration(number) * unit
}

func (c *check) images(images Images) {
	c.signatures(images)

	const path = "images.max_age"

	if c.doc.Has(path) && !agePattern.MatchString(string(images.MaxAge)) {
		c.add(path, "must be a number of days or hours, as in 30d or 36h, got %q", images.MaxAge)
	}
}

func (c *check) signatures(images Images) {
	for i, line := range images.SignedBy {
		if _, err := signature.ParseKey(line); err != nil {
			c.add(fmt.Sprintf("images.signed_by[%d]", i), "%v", err)
		}
	}

	const path = "images.unsigned"

	if c.doc.Has(path) && images.Unsigned != UnsignedTell && images.Unsigned != UnsignedRefuse {
		c.add(path, "must be %s or %s, got %q", UnsignedTell, UnsignedRefuse, images.Unsigned)
	}
}
