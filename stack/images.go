package stack

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Images is what holds for the stack's images.
type Images struct {
	// MaxAge is how old an image may be before `hornero images bake` makes another of the same content; empty: any age.
	MaxAge Age `yaml:"max_age"`
}

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
	const path = "images.max_age"

	if c.doc.Has(path) && !agePattern.MatchString(string(images.MaxAge)) {
		c.add(path, "must be a number of days or hours, as in 30d or 36h, got %q", images.MaxAge)
	}
}
