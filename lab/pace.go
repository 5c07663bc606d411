package lab

import (
	"strings"

	"github.com/hornero/hornero/lab/api"
)

// Pace is how slow a lab is on purpose. A lab keeps what it was given until it is given another.
type Pace struct {
	Profile   string   `json:"profile"`    // empty means what it was, or the real one
	Delays    []string `json:"delays"`     // single ones that differ, as in create=3s
	RateLimit bool     `json:"rate_limit"` // hold clients to DigitalOcean's limits
}

// delays are the profile's, with the single ones that differ.
func (p Pace) delays() (api.Delays, error) {
	delays, err := api.Profile(p.Profile)
	for _, one := range p.Delays {
		if err == nil {
			err = delays.Set(one)
		}
	}

	return delays, err
}

// Check tells what is wrong with a pace before a lab is started with it.
func (p Pace) Check() error {
	_, err := p.over(Pace{}).delays()
	return err
}

// over is this pace where it says something, and otherwise the one before.
func (p Pace) over(before Pace) Pace {
	if before.Profile == "" {
		before.Profile = api.ProfileReal
	}

	// a start that says nothing about pace leaves it as it was
	if p.Profile == "" && len(p.Delays) == 0 && !p.RateLimit {
		return before
	}
	if p.Profile == "" {
		p.Profile = before.Profile
	}

	return p
}

func (p Pace) String() string {
	text := strings.Join(append([]string{p.Profile}, p.Delays...), " ")
	if p.RateLimit {
		text += ", with rate limits"
	}

	return text
}
