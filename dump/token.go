package dump

import (
	"bytes"
	"strings"
)

// kind is what a token is.
type kind int

const (
	space   kind = iota // white space
	word                // a keyword, a bare name or a number
	name                // a name in backticks
	text                // a string
	opening             // "/*!50003": what follows is for servers from this version on
	closing             // "*/"
	symbol              // one character of any other
)

// token is a piece of a statement. All of them joined are the statement.
type token struct {
	kind kind
	text string
}

// is tells whether a token is a keyword, whatever its letters' case.
func (t token) is(keyword string) bool {
	return t.kind == word && strings.EqualFold(t.text, keyword)
}

// isOne tells whether a token is one of the keywords.
func (t token) isOne(keywords ...string) bool {
	for _, keyword := range keywords {
		if t.is(keyword) {
			return true
		}
	}

	return false
}

// named is a name or a string without its quotes.
func (t token) named() string {
	if t.kind != name && t.kind != text {
		return t.text
	}

	quote := t.text[:1]
	inner := strings.TrimSuffix(t.text[1:], quote)

	return strings.ReplaceAll(inner, quote+quote, quote)
}

// tokens takes a statement apart.
func tokens(statement []byte) []token {
	var list []token

	for len(statement) > 0 {
		next := firstToken(statement)
		list = append(list, next)
		statement = statement[len(next.text):]
	}

	return list
}

// firstTokens are the first tokens of a statement that are not space, at most count: a statement's kind and target
// are known by them, and a row of a gigabyte is not taken apart.
func firstTokens(statement []byte, count int) []token {
	var list []token

	for len(statement) > 0 && len(list) < count {
		next := firstToken(statement)
		statement = statement[len(next.text):]

		if next.kind == word || next.kind == name || next.kind == text || next.kind == symbol {
			list = append(list, next)
		}
	}

	return list
}

func firstToken(s []byte) token {
	c := s[0]

	switch {
	case isSpace(c):
		return token{space, string(s[:run(s, isSpace)])}
	case isWord(c):
		return token{word, string(s[:run(s, isWord)])}
	case c == '`':
		return token{name, string(s[:end(s, c)])}
	case c == '\'' || c == '"':
		return token{text, string(s[:end(s, c)])}
	case bytes.HasPrefix(s, []byte("/*!")):
		return token{opening, string(s[:3+run(s[3:], isDigit)])}
	case bytes.HasPrefix(s, []byte("/*M!")):
		return token{opening, string(s[:4+run(s[4:], isDigit)])}
	case bytes.HasPrefix(s, []byte("*/")):
		return token{closing, "*/"}
	}

	return token{symbol, string(s[:1])}
}

// run is how many of the first bytes are all of a sort.
func run(s []byte, of func(byte) bool) int {
	for i, c := range s {
		if !of(c) {
			return i
		}
	}

	return len(s)
}

// end is how long the string or name is that s begins with.
func end(s []byte, quote byte) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quote != '`':
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}

	return len(s)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isWord is for names without quotes: letters, digits, "_", "$", "@" of variables, and all beyond ASCII.
func isWord(c byte) bool {
	lower := c | 0x20
	return isDigit(c) || 'a' <= lower && lower <= 'z' || c == '_' || c == '$' || c == '@' || c >= 0x80
}

// joined is the statement of its tokens.
func joined(list []token) []byte {
	var b bytes.Buffer
	for _, t := range list {
		b.WriteString(t.text)
	}

	return bytes.TrimSpace(b.Bytes())
}
