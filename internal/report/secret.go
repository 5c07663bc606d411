package report

import "log/slog"

const redacted = "[secret]"

// Secret is a string that no printed, logged or JSON form shows. Reveal opens it, by name, where it is used.
// In YAML it is written in the clear: the only documents that hold one are encrypted files and user-data.
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String hides the secret from fmt.
func (s Secret) String() string { return redacted }

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return redacted }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value {
	return slog.StringValue(redacted)
}

// MarshalJSON hides the secret from JSON, which is for people and logs here.
func (s Secret) MarshalJSON() ([]byte, error) {
	return []byte(`"` + redacted + `"`), nil
}
