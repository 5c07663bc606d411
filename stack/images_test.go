package stack_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/stack"
)

func TestTheAgeOfImages(t *testing.T) {
	for written, want := range map[string]time.Duration{
		"":                         0,
		"images: {}\n":             0,
		"images: {max_age: 1d}\n":  24 * time.Hour,
		"images: {max_age: 30d}\n": 30 * 24 * time.Hour,
		"images: {max_age: 36h}\n": 36 * time.Hour,
		"images:\n  max_age: 7d\n": 7 * 24 * time.Hour,
	} {
		s, err := stack.Parse("s.yaml", []byte(strings.Replace(text, "nodes:\n", written+"nodes:\n", 1)), manifests(t))
		require.NoError(t, err, written)
		require.Equal(t, want, s.Images.MaxAge.Duration(), written)
	}
}

func TestAnAgeThatIsNone(t *testing.T) {
	const age = "must be a number of days or hours, as in 30d or 36h, got "

	for written, want := range map[string]string{
		"images: {max_age: 30}":      `s.yaml:9:19: error: images.max_age: ` + age + `"30"`,
		"images: {max_age: 0d}":      `s.yaml:9:19: error: images.max_age: ` + age + `"0d"`,
		"images: {max_age: 4 weeks}": `s.yaml:9:19: error: images.max_age: ` + age + `"4 weeks"`,
		"images: {max_age: -3d}":     `s.yaml:9:19: error: images.max_age: ` + age + `"-3d"`,
		"images: {max_age: 99999d}":  `s.yaml:9:19: error: images.max_age: ` + age + `"99999d"`,
		"images:\n  max_age: ''":     `s.yaml:10:12: error: images.max_age: ` + age + `""`,
		"images: {max_age: [30d]}":   `s.yaml:9:19: error: images.max_age: must be text, got a list`,
		"images: {max_aeg: 30d}":     `s.yaml:9:10: error: images.max_aeg: unknown key; did you mean "max_age"?`,
		"images: 30d":                `s.yaml:9:9: error: images: must be a mapping of keys to values, got "30d"`,
	} {

		changed := strings.Replace(text, "nodes:\n", written+"\nnodes:\n", 1)
		_, err := stack.Parse("s.yaml", []byte(changed), manifests(t))
		require.EqualError(t, err, want, written)
	}
}

func TestKeysThatSignImages(t *testing.T) {
	const (
		key   = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl team"
		wrong = "is no ed25519 key in OpenSSH's form, as `ssh-keygen -t ed25519 -N ''` makes them"
	)

	parse := func(written string) (*stack.Stack, error) {
		changed := strings.Replace(text, "nodes:\n", written+"\nnodes:\n", 1)
		return stack.Parse("s.yaml", []byte(changed), manifests(t))
	}

	s, err := parse("images: {signed_by: [" + key + "], unsigned: refuse}")
	require.NoError(t, err)
	require.Equal(t, []string{key}, s.Images.SignedBy)
	require.Equal(t, stack.UnsignedRefuse, s.Images.Unsigned)

	for written, want := range map[string]string{
		"images: {signed_by: [x]}":   "images.signed_by[0]: " + wrong,
		"images: {signed_by: ['']}":  "images.signed_by[0]: " + wrong,
		"images: {unsigned: ignore}": `images.unsigned: must be tell or refuse, got "ignore"`,
	} {
		_, err := parse(written)
		require.ErrorContains(t, err, "s.yaml:9:")
		require.ErrorContains(t, err, want, written)
	}
}
