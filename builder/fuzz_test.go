package builder_test

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
)

// cut makes named parts of bytes: a length, a name of that length, a length, data of that length, and so on.
func cut(data []byte) map[string][]byte {
	parts := map[string][]byte{}
	take := func() []byte {
		if len(data) == 0 {
			return nil
		}

		length := min(int(data[0]), len(data)-1)
		piece := data[1 : 1+length]
		data = data[1+length:]

		return piece
	}

	for len(data) > 0 {
		name := string(take())
		parts[name] = take()
	}

	return parts
}

// The digest is of what the parts are, not of how they came, and of every byte of them.
func FuzzDigest(f *testing.F) {
	f.Add([]byte("\x01a\x02bc\x02ab\x01c"), uint16(1), byte(1))
	f.Add([]byte("\x00\x00\x01\n\x00"), uint16(0), byte(0x80))
	f.Add([]byte("\x03a\"b\x05 \"c\"\n\x03a\\b\x00"), uint16(7), byte(0xff))

	f.Fuzz(func(t *testing.T, data []byte, at uint16, flip byte) {
		parts := cut(data)
		digest := builder.Digest(parts)
		require.Len(t, digest, 64)

		turned := map[string][]byte{}
		for _, name := range slices.Backward(slices.Sorted(maps.Keys(parts))) {
			turned[name] = slices.Clone(parts[name])
		}

		require.Equal(t, digest, builder.Digest(turned), "the same parts in another order")

		other := slices.Clone(data)
		if len(other) > 0 {
			other[int(at)%len(other)] ^= flip
		}

		changed := cut(other)
		same := maps.EqualFunc(parts, changed, bytes.Equal)
		require.Equal(t,
			same,
			digest == builder.Digest(changed),
			"one byte changed: %q and %q",
			parts,
			changed,
		)

		turned["one more"+string(data)] = nil
		require.NotEqual(t, digest, builder.Digest(turned), "an empty part more")
	})
}
