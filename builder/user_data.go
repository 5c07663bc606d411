package builder

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// boundary parts the two halves of a Droplet's user-data: no text that a person writes has it.
const boundary = "==hornero-host-key-6c1f2a9b=="

// userDataWith is the Droplet's user-data: the user's own, as cloud-init would take it alone, and the host key. The
// key comes last, as cloud-init takes the last word of two.
func userDataWith(own string, key hostKey) (string, error) {
	config, err := key.cloudConfig()
	if err != nil || strings.TrimSpace(own) == "" {
		return config, err
	}

	return message(own, config), nil
}

func message(parts ...string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=%q\n\n", boundary)

	// The end of line before a boundary is the boundary's own, not the part's.
	for _, part := range parts {
		fmt.Fprintf(&text, "--%s\n%s\n", boundary, asPart(part))
	}

	fmt.Fprintf(&text, "--%s--\n", boundary)

	return text.String()
}

// asPart is user-data as a part of a message. What it is, cloud-init sees by its first line.
func asPart(text string) string {
	const base64Of = "Content-Transfer-Encoding: base64\nContent-Type: "

	switch {
	case strings.HasPrefix(text, "\x1f\x8b"):
		return base64Of + "application/gzip\n\n" + encoded(text)
	// A message within a message has its own header.
	case isMessage(text):
		return text
	// In plain text, cloud-init takes letters that are not ASCII for Latin-1.
	case !isASCII(text):
		return base64Of + "text/plain; charset=\"utf-8\"\n\n" + encoded(text)
	default:
		return "Content-Type: text/plain\n\n" + text
	}
}

// isMessage tells whether cloud-init takes user-data for a MIME message: it looks at the beginning, and lines that
// begin with # are of another kind, whatever they say of MIME.
func isMessage(text string) bool {
	const window = 4096

	beginning := strings.ToLower(text[:min(len(text), window)])

	return strings.Contains(beginning, "mime-version:") && !strings.HasPrefix(beginning, "#")
}

func isASCII(text string) bool {
	for at := range len(text) {
		if text[at] >= 0x80 {
			return false
		}
	}

	return true
}

// encoded is text in base64, in lines of the length that mail has.
func encoded(text string) string {
	const width = 76

	var out strings.Builder

	rest := base64.StdEncoding.EncodeToString([]byte(text))
	for len(rest) > width {
		out.WriteString(rest[:width] + "\n")
		rest = rest[width:]
	}

	return out.String() + rest
}
