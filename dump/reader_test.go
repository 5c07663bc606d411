package dump_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/dump"
)

// read is all statements of a dump, and the lines where they begin.
func read(t *testing.T, text string) (statements []string, lines []int, err error) {
	t.Helper()

	reader := dump.NewReader(strings.NewReader(text))

	for {
		statement, err := reader.Next()
		if err != nil {
			return statements, lines, err
		}

		statements = append(statements, string(statement.Text))
		lines = append(lines, statement.Line)
	}
}

func TestStatementsEndWhereAServerWouldEndThem(t *testing.T) {
	rows := map[string][]string{
		"a;b;":                      {"a", "b"},
		"a":                         {"a"},
		"":                          nil,
		" ; ;\n;":                   nil,
		"insert 'a;b';c":            {"insert 'a;b'", "c"},
		`insert 'it\'s; so';c`:      {`insert 'it\'s; so'`, "c"},
		`insert 'a\\';c`:            {`insert 'a\\'`, "c"},
		"insert 'it''s; so';c":      {"insert 'it''s; so'", "c"},
		"a `odd;``name`;b":          {"a `odd;``name`", "b"},
		"a `back\\`;b":              {"a `back\\`", "b"},
		`a "x;\"y";b`:               {`a "x;\"y"`, "b"},
		"-- a;b\nc;":                {"c"},
		"# a;b\nc;":                 {"c"},
		"a --1;b":                   {"a --1", "b"},
		"/* a;b */c;":               {"c"},
		"a/* ; */b;":                {"a b"},
		"/*!40101 SET a='x;' */;b;": {"/*!40101 SET a='x;' */", "b"},
		"DELIMITER ;;\na;b;;\nc;;\ndelimiter ;\nd;":    {"a;b", "c", "d"},
		"/*!999999\\- enable the sandbox mode */ \na;": {"a"},
		"/*M!999999\\- enable the sandbox mode */\na;": {"a"},
	}

	for text, want := range rows {
		statements, _, err := read(t, text)
		require.ErrorIs(t, err, io.EOF, text)
		require.Equal(t, want, statements, text)
	}
}

func TestStatementsKnowTheirLines(t *testing.T) {
	_, lines, err := read(t, "-- head\n\na;\nb 'x\ny';\n\n  c;")
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, []int{3, 4, 7}, lines)
}

func TestADumpThatIsCutOffIsToldSo(t *testing.T) {
	for _, text := range []string{
		"insert 'half",
		"a; /* half",
		"-- MySQL dump 10.13  Distrib 8.0.36\na;\n",
		"-- MariaDB dump 10.19-11.8.6-MariaDB\na;\n",
	} {
		_, _, err := read(t, text)
		require.ErrorIs(t, err, dump.ErrCutOff, text)
	}

	_, _, err := read(t, "-- MySQL dump 10.13\na;\n-- Dump completed on 2026-11-30\n")
	require.ErrorIs(t, err, io.EOF)
}

// A string longer than every buffer, in pieces of a size that no buffer has.
func TestLongRowsAreWhole(t *testing.T) {
	row := "insert '" + strings.Repeat(`it\'s a long row; `, 200_000) + "'"
	reader := dump.NewReader(&pieces{rest: row + ";b"})

	first, err := reader.Next()
	require.NoError(t, err)
	require.Equal(t, row, string(first.Text))

	second, err := reader.Next()
	require.NoError(t, err)
	require.Equal(t, "b", string(second.Text))
	require.EqualValues(t, len(row)+2, reader.Bytes())
}

// pieces hands out 97 bytes at a time.
type pieces struct{ rest string }

func (p *pieces) Read(into []byte) (int, error) {
	if p.rest == "" {
		return 0, io.EOF
	}

	count := copy(into[:min(len(into), 97)], p.rest)
	p.rest = p.rest[count:]

	return count, nil
}

// Whatever the bytes are, reading ends, and no statement is made up.
func FuzzReader(f *testing.F) {
	f.Add("a 'x\\';/*!1 b*/;-- c\nDELIMITER ;;\n`d``;`;;")
	f.Fuzz(func(t *testing.T, text string) {
		reader := dump.NewReader(strings.NewReader(text))
		rewriter := dump.NewRewriter(dump.Target{Database: "wordpress", User: "wordpress"})

		for {
			statement, err := reader.Next()
			if errors.Is(err, io.EOF) || errors.Is(err, dump.ErrCutOff) {
				return
			}

			require.NoError(t, err)
			require.NotEmpty(t, statement.Text)
			require.LessOrEqual(t, len(statement.Text), len(text)+strings.Count(text, "/*"))

			_, _ = rewriter.Rewrite(statement)
		}
	})
}
