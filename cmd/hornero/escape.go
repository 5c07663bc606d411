package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// escaped writes what a terminal would take for a command, and what would begin another line or column, as Go spells
// it. Whoever can tag a snapshot or change a node can write such into an image's record.
func escaped(text string) string {
	if !strings.ContainsFunc(text, unprintable) {
		return text
	}

	var out strings.Builder

	for _, r := range text {
		if unprintable(r) {
			out.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
			continue
		}

		out.WriteRune(r)
	}

	return out.String()
}

// unprintable are control characters, and those that turn the direction of the text around them.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.In(r, unicode.Zl, unicode.Zp)
}

// escapedf formats as fmt.Sprintf does, with the texts among the values escaped.
func escapedf(format string, values ...any) string {
	for i, value := range values {
		if text, ok := value.(string); ok {
			values[i] = escaped(text)
		}
	}

	return fmt.Sprintf(format, values...)
}
