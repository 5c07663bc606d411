package stack_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheRangeOfTheVPC(t *testing.T) {
	s, err := parse(t, "https: 443", "https: 443\nvpc: {range: 192.168.16.0/24}")
	require.NoError(t, err)
	require.Equal(t, "192.168.16.0/24", s.VPC.Range)

	for written, want := range map[string]string{
		"{range: 10.108.0.0/12}": "22:14: error: vpc.range: must be from /16 to /28, got /12",
		"{range: 10.108.0.0/29}": "22:14: error: vpc.range: must be from /16 to /28, got /29",
		"{range: 10.108.0.7/20}": `22:14: error: vpc.range: "10.108.0.7/20" is an address inside of a range; write ` +
			`10.108.0.0/20`,
		"{range: 10.108.0.0}": "22:14: error: vpc.range: must be a range of private addresses, as in 10.108.0.0/20, " +
			`got "10.108.0.0"`,
		"{range: 203.0.113.0/24}": "22:14: error: vpc.range: must be a range of private addresses, as in " +
			`10.108.0.0/20, got "203.0.113.0/24"`,
		"{range: 'fd00::/20'}": "22:14: error: vpc.range: must be a range of private addresses, as in " +
			`10.108.0.0/20, got "fd00::/20"`,
		"{range: 10.10.4.0/22}": "22:14: error: vpc.range: 10.10.4.0/22 meets 10.10.0.0/16, which DigitalOcean keeps " +
			"for itself; choose another",
		"{}": "22:6: error: vpc.range: is missing; write a private range, as in range: 10.108.0.0/20",
		"": "22:5: error: vpc: must say a private range, as in range: 10.108.0.0/20; remove it, and a free /24 " +
			"is chosen",
	} {
		_, err := parse(t, "https: 443", "https: 443\nvpc: "+written)
		require.EqualError(t, err, "s.yaml:"+want, written)
	}
}
