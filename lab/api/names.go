package api

import "strings"

// validName are the characters of a Droplet's, a tag's or a load balancer's name beside letters and digits.
func validName(name, alsoAllowed string) bool {
	return name != "" && len(name) <= 255 && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') &&
			(c < 'A' || c > 'Z') &&
			(c < '0' || c > '9') &&
			!strings.ContainsRune(alsoAllowed, c)
	})
}

func validHostname(name string) bool {
	return validName(name, ".-") &&
		!strings.HasPrefix(name, "-") &&
		!strings.HasPrefix(name, ".") &&
		!strings.HasSuffix(name, "-")
}
