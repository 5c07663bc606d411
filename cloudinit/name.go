package cloudinit

import "strings"

// longestName is how long the name of a node, a role or a stack may be: as a label of a host name.
const longestName = 63

// isName tells whether a name is one that can be a file's, a host's and a line's in a log: letters, digits, dashes,
// underscores and dots, the first a letter or a digit.
func isName(name string) bool {
	const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

	if name == "" || len(name) > longestName || !strings.Contains(alphanumeric, name[:1]) {
		return false
	}

	return !strings.ContainsFunc(name, func(r rune) bool {
		return !strings.ContainsRune(alphanumeric+"-_.", r)
	})
}
