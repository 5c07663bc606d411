package roles

import (
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"

	"github.com/hornero/hornero/internal/report"
)

// errNoSpelling means that a language has no way to write a value, so that a text with it would say something else.
var errNoSpelling = errors.New("cannot be written there")

// quotes are the functions of templates that write a value in the language of the text that it stands in. Whatever the
// value is, it stays one value: nothing in it is syntax.
var quotes = template.FuncMap{
	"phpquote":     phpQuote,
	"sqlquote":     sqlQuote,
	"sqlpassword":  sqlPassword,
	"haproxyquote": haproxyQuote,
	"jsonquote":    jsonQuote,
	"nginxquote":   nginxQuote,
	"regexpquote":  regexp.QuoteMeta,
	"iniquote":     iniQuote,
	"cnfquote":     cnfQuote,
	"valkeyquote":  valkeyQuote,
	"unitquote":    unitQuote,
	"execquote":    execQuote,
	"shellquote":   shellQuote,
	"number":       wholeNumber,
}

var (
	phpEscapes     = strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	sqlEscapes     = strings.NewReplacer(`\`, `\\`, `'`, `''`, "\n", `\n`, "\r", `\r`, "\x00", `\0`, "\x1a", `\Z`)
	haproxyEscapes = strings.NewReplacer("'", `'\''`, "\n", `'\n'`, "\r", `'\r'`)
	lineEscapes    = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`)
	unitEscapes    = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "%", "%%")
)

// phpQuote writes a PHP single-quoted string; only the backslash and the quote are special in one (PHP manual,
// Strings).
func phpQuote(text string) string {
	return "'" + phpEscapes.Replace(text) + "'"
}

// sqlQuote writes a MariaDB string literal (MariaDB knowledge base, String Literals).
func sqlQuote(text string) string {
	return "'" + sqlEscapes.Replace(text) + "'"
}

// sqlPassword writes what a MariaDB server keeps of a password, as a string literal: its double SHA-1, from which
// nobody can log in (MariaDB knowledge base, Authentication Plugin - mysql_native_password). A statement with the
// password itself would stay readable in the server's logs, and in what Galera keeps of it for others.
func sqlPassword(text string) string {
	once := sha1.Sum([]byte(text))
	twice := sha1.Sum(once[:])

	return fmt.Sprintf("'*%X'", twice)
}

// haproxyQuote writes one word of HAProxy's configuration. Between single quotes nothing is special but the
// quote itself and the line's end, which are escaped outside of them (configuration.txt, Quoting and escaping).
func haproxyQuote(text string) (string, error) {
	if strings.Contains(text, "\x00") {
		return "", spelling("HAProxy's configuration", "a zero byte")
	}

	return "'" + haproxyEscapes.Replace(text) + "'", nil
}

// jsonQuote writes a JSON string (RFC 8259, 7).
func jsonQuote(text string) (string, error) {
	quoted, err := json.Marshal(text)
	return string(quoted), err
}

// nginxQuote writes one word of nginx' configuration. Within quotes a backslash is special before a quote, another
// backslash, n, r and t only (ngx_conf_read_token); a dollar sign begins a variable wherever nginx takes one, and
// nothing takes that from it.
func nginxQuote(text string) (string, error) {
	if strings.ContainsAny(text, "$\x00") {
		return "", spelling("nginx' configuration", "a dollar sign or a zero byte")
	}

	return `"` + lineEscapes.Replace(text) + `"`, nil
}

// iniQuote writes a value of PHP's ini files and of PHP-FPM's pools. Nothing is special between single quotes, and
// nothing can stand for one there; between double quotes a backslash, a quote and a dollar sign are special (PHP
// manual, parse_ini_file).
func iniQuote(text string) (string, error) {
	switch {
	case strings.ContainsFunc(text, isControl):
		return "", spelling("PHP's ini files", "a control character")
	case !strings.Contains(text, "'"):
		return "'" + text + "'", nil
	case strings.ContainsAny(text, `\"$`):
		return "", spelling("PHP's ini files", `a single quote beside one of \ " $`)
	}

	return `"` + text + `"`, nil
}

// cnfQuote writes a value of MariaDB's option files (MariaDB knowledge base, Configuring MariaDB with Option Files).
func cnfQuote(text string) (string, error) {
	if strings.Contains(text, "\x00") {
		return "", spelling("MariaDB's option files", "a zero byte")
	}

	return `"` + lineEscapes.Replace(text) + `"`, nil
}

// valkeyQuote writes one word of the configuration of Valkey or Redis. JSON's way is another: it has \u for "<".
func valkeyQuote(text string) (string, error) {
	if strings.Contains(text, "\x00") {
		return "", spelling("Valkey's configuration", "a zero byte")
	}

	return `"` + lineEscapes.Replace(text) + `"`, nil
}

// unitQuote writes one word of a systemd unit, as in Environment= (systemd.syntax, Quoting; "%" begins a specifier).
func unitQuote(text string) (string, error) {
	if strings.Contains(text, "\x00") {
		return "", spelling("units", "a zero byte")
	}

	return `"` + unitEscapes.Replace(text) + `"`, nil
}

// execQuote writes one word of a command line in a unit, where "$" begins a variable (systemd.service, Command lines).
func execQuote(text string) (string, error) {
	quoted, err := unitQuote(text)
	return strings.ReplaceAll(quoted, "$", "$$"), err
}

// shellQuote writes one word for a POSIX shell.
func shellQuote(text string) (string, error) {
	if strings.Contains(text, "\x00") {
		return "", spelling("a shell's command", "a zero byte")
	}

	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'", nil
}

// wholeNumber reads a setting of type number: what is none does not get into any text.
func wholeNumber(text string) (int64, error) {
	number, err := report.ParseNumber(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no whole number", text)
	}

	return int64(number), nil
}

// spelling does not quote the value, which may be a secret.
func spelling(language, what string) error {
	return fmt.Errorf("a value with %s %w, in %s", what, errNoSpelling, language)
}
