package api

import "strings"

// validName tells whether a name is not empty, not longer than 255, and of letters, digits and the allowed others.
func validName(name, alsoAllowed string) bool {
	if name == "" || len(name) > 255 {
		return false
	}

	for _, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		digit := c >= '0' && c <= '9'

		if !letter && !digit && !strings.ContainsRune(alsoAllowed, c) {
			return false
		}
	}

	return true
}

func validHostname(name string) bool {
	// a Droplet's name becomes its host's name
	return validName(name, ".-") &&
		!strings.HasPrefix(name, "-") &&
		!strings.HasPrefix(name, ".") &&
		!strings.HasSuffix(name, "-")
}
