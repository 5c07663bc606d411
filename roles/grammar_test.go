package roles_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A grammar reads a text as its program does, as far as words, quotes and comments go: what it gives are the words with
// their quotes taken off, and the signs between them.
type grammar struct {
	space   string // ends a word
	signs   string // is a word of its own
	comment []string
	single  map[byte]string // after a backslash between single quotes; nil: a backslash is none there
	double  map[byte]string // likewise between double quotes; nil: a double quote is none
	outside map[byte]string // likewise outside of quotes
	doubled bool            // two single quotes within are one
}

var (
	letters = map[byte]string{'n': "\n", 'r': "\r", 't': "\t", '\\': `\`, '"': `"`, '\'': `'`}

	nginxGrammar = grammar{
		space:   " \t\r\n",
		signs:   "{};",
		comment: []string{"#"},
		single:  letters,
		double:  letters,
		outside: letters,
	}

	// A line's end is what ends a directive.
	haproxyGrammar = grammar{
		space:   " \t",
		signs:   "\n",
		comment: []string{"#"},
		double:  letters,
		outside: letters,
	}

	valkeyGrammar = grammar{
		space:   " \t",
		signs:   "\n",
		comment: []string{"#"},
		single:  map[byte]string{'\'': "'"},
		double:  letters,
	}

	phpGrammar = grammar{
		space:   " \t\r\n",
		signs:   "(),;[]{}",
		comment: []string{"//", "#"},
		single:  map[byte]string{'\\': `\`, '\'': "'"},
	}

	sqlGrammar = grammar{
		space:   " \t\r\n",
		signs:   "(),;@",
		comment: []string{"--"},
		single:  map[byte]string{'\\': `\`, 'n': "\n", 'r': "\r", '0': "\x00", 'Z': "\x1a"},
		doubled: true,
	}

	iniGrammar = grammar{
		space:   " \t",
		signs:   "\n=",
		comment: []string{";"},
		double:  map[byte]string{'\\': `\`, '"': `"`},
	}

	cnfGrammar = grammar{
		space:   " \t",
		signs:   "\n=",
		comment: []string{"#"},
		single:  letters,
		double:  letters,
	}
)

// words reads a whole text. A quote that nothing ends is a failure: the program would read on in what follows.
func (g grammar) words(text string) ([]string, error) {
	var found []string
	var word strings.Builder

	begun := false
	end := func() {
		if begun {
			found = append(found, word.String())
		}

		word.Reset()
		begun = false
	}

	for at := 0; at < len(text); {
		if skipped := g.skipped(text[at:]); skipped > 0 && !begun {
			at += skipped
			continue
		}

		switch c := text[at]; {
		case strings.IndexByte(g.space, c) >= 0:
			end()
			at++

		case strings.IndexByte(g.signs, c) >= 0:
			end()
			found = append(found, "sign "+string(c))
			at++

		case c == '\'' || c == '"' && g.double != nil:
			within, length, err := g.quoted(text[at:])
			if err != nil {
				return nil, err
			}

			word.WriteString(within)
			begun = true
			at += length

		case c == '\\' && g.outside != nil && at+1 < len(text):
			word.WriteString(plainOf(g.outside, text[at:at+2]))
			begun = true
			at += 2

		default:
			word.WriteByte(c)
			begun = true
			at++
		}
	}

	end()

	return found, nil
}

// skipped is how long the comment is that a text begins with.
func (g grammar) skipped(text string) int {
	for _, mark := range g.comment {
		if strings.HasPrefix(text, mark) {
			line, _, _ := strings.Cut(text, "\n")
			return len(line)
		}
	}

	return 0
}

// quoted reads what stands between quotes, and tells how long it is with them.
func (g grammar) quoted(text string) (string, int, error) {
	quote := text[0]
	escapes := g.single

	if quote == '"' {
		escapes = g.double
	}

	var within strings.Builder

	for at := 1; at < len(text); at++ {
		switch c := text[at]; {
		case c == '\\' && escapes != nil && at+1 < len(text):
			within.WriteString(plainOf(escapes, text[at:at+2]))
			at++

		case c == quote && g.doubled && strings.HasPrefix(text[at+1:], "'"):
			within.WriteByte(quote)
			at++

		case c == quote:
			return within.String(), at + 1, nil

		default:
			within.WriteByte(c)
		}
	}

	return "", 0, fmt.Errorf("nothing ends the quote at %.40q", text)
}

// plainOf is what a backslash and a byte stand for; what has no meaning stays as it is.
func plainOf(escapes map[byte]string, pair string) string {
	if plain, known := escapes[pair[1]]; known {
		return plain
	}

	return pair
}

// grammars are those of the built-in roles' texts, by the end of the path.
var grammars = []struct {
	end string
	grammar
}{
	{"/sites-enabled/hornero", nginxGrammar},
	{"/haproxy.cfg", haproxyGrammar},
	{"/php-fpm.conf", iniGrammar},
	{".php", phpGrammar},
	{".sql", sqlGrammar},
	{".cnf", cnfGrammar},
	{"/cache.conf", valkeyGrammar},
	{"/databases", haproxyGrammar},
}

// read gives the words of a text by the grammar of its path. JSON is read by Go's own reader.
func read(t *testing.T, path, text string) []string {
	t.Helper()

	if strings.HasSuffix(path, ".json") {
		var value any
		require.NoError(t, json.Unmarshal([]byte(text), &value), "%s: %s", path, text)

		return flat("", value)
	}

	for _, known := range grammars {
		if strings.HasSuffix(path, known.end) {
			words, err := known.words(text)
			require.NoError(t, err, path)

			return words
		}
	}

	t.Fatalf("%s: which language is it in? Add it to the grammars", path)

	return nil
}

// flat are the keys and values of a value of JSON, sorted.
func flat(at string, value any) []string {
	var found []string

	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			found = append(found, flat(at+"/"+key, inner)...)
		}
	case []any:
		for i, inner := range value {
			found = append(found, flat(fmt.Sprintf("%s/%d", at, i), inner)...)
		}
	default:
		found = []string{fmt.Sprintf("%s: %v", at, value)}
	}

	slices.Sort(found)

	return found
}
