// Package dump reads SQL dumps as mysqldump, mariadb-dump and phpMyAdmin write them, statement by statement and of any
// size, and rewrites what a Galera cluster or an older server would not take, or not keep. It opens no connection:
// bytes in, statements out.
package dump

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxStatement is the longest statement that is read, in bytes: the most that a server's max_allowed_packet can be
// (MariaDB's manual, "max_allowed_packet").
const MaxStatement = 1 << 30

// Sentinels of this package.
var (
	// ErrCutOff says that the dump ends before its end: within a statement, or without the line that its program
	// writes last.
	ErrCutOff = errors.New("the dump is cut off")
	// ErrTooLong says that a statement is longer than MaxStatement.
	ErrTooLong = errors.New("the statement is longer than any server takes")
)

// Statement is one statement of a dump, without its delimiter and the comments around it.
type Statement struct {
	Line int // where it begins, counted from 1
	Text []byte
}

// Reader reads a dump's statements.
type Reader struct {
	input     *bufio.Reader
	delimiter string
	line      int   // of the next byte
	read      int64 // bytes
	text      bytes.Buffer
	begins    int // line of the first byte of the statement; 0 when nothing but space was seen

	// signed is that a program wrote its name into the dump that ends one with a line of its own; ended is that the
	// line was there.
	signed, ended bool
}

// NewReader reads a dump from r.
func NewReader(r io.Reader) *Reader {
	return &Reader{
		input:     bufio.NewReaderSize(r, 1<<20),
		delimiter: ";",
		line:      1,
	}
}

// Bytes is how much of the dump was read.
func (r *Reader) Bytes() int64 { return r.read }

// Line is the line that is read next.
func (r *Reader) Line() int { return r.line }

// Next is the next statement; io.EOF after the last one.
func (r *Reader) Next() (Statement, error) {
	r.text.Reset()
	r.begins = 0

	for {
		done, err := r.step()
		if errors.Is(err, io.EOF) {
			return r.last()
		}

		if err != nil {
			return Statement{}, fmt.Errorf("line %d: %w", r.line, err)
		}

		if !done {
			continue
		}

		if statement := r.statement(); len(statement.Text) > 0 {
			return statement, nil
		}

		r.text.Reset()
		r.begins = 0
	}
}

// last is the statement at the dump's end, which needs no delimiter.
func (r *Reader) last() (Statement, error) {
	if statement := r.statement(); len(statement.Text) > 0 {
		return statement, nil
	}

	if r.signed && !r.ended {
		return Statement{}, fmt.Errorf(
			"line %d: %w: its last line, \"-- Dump completed\", is missing",
			r.line,
			ErrCutOff,
		)
	}

	return Statement{}, io.EOF
}

func (r *Reader) statement() Statement {
	return Statement{
		Line: r.begins,
		Text: bytes.TrimSpace(bytes.Clone(r.text.Bytes())),
	}
}

// step reads one thing: a byte, a string, a comment. It tells when a statement is whole.
func (r *Reader) step() (bool, error) {
	if r.begins == 0 {
		if found, err := r.newDelimiter(); found || err != nil {
			return false, err
		}
	}

	// Nearly every byte is none of these.
	head, err := r.input.Peek(1)
	if err != nil {
		return false, err
	}

	if c := head[0]; c != '/' && c != '-' && c != '#' && c != r.delimiter[0] {
		return false, r.take()
	}

	switch {
	case r.at(r.delimiter):
		return true, r.skip(len(r.delimiter))
	case r.at("/*M!999999\\-"), r.at("/*!999999\\-"):
		// A client is told to run no program of its own from here on; this one runs none.
		return false, r.skipTo("*/")
	case r.at("/*!"), r.at("/*M!"), r.at("/*+"):
		return false, r.take()
	case r.at("/*"):
		return false, r.skipTo("*/")
	case r.at("#"), r.at("-- "), r.at("--\n"), r.at("--\t"), r.at("--\r"):
		return false, r.comment()
	}

	return false, r.take()
}

// take takes the next byte into the statement, or a whole string or name in quotes.
func (r *Reader) take() error {
	c, err := r.next()
	if err != nil {
		return err
	}

	if r.begins == 0 {
		if isSpace(c) {
			return nil
		}

		r.begins = r.line
	}

	r.text.WriteByte(c)

	if c == '\'' || c == '"' || c == '`' {
		return r.quoted(c)
	}

	if r.text.Len() > MaxStatement {
		return ErrTooLong
	}

	return nil
}

// quoted takes what is left of a string or name. A quote that is doubled ends it and begins another, which is the same.
func (r *Reader) quoted(quote byte) error {
	for {
		part, err := r.input.ReadSlice(quote)
		r.took(part)

		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%w within a string that begins in the statement of line %d", ErrCutOff, r.begins)
		case err != nil:
			return err
		case quote == '`' || !escaped(r.text.Bytes()):
			return nil
		}

		if r.text.Len() > MaxStatement {
			return ErrTooLong
		}
	}
}

// escaped tells whether the last byte stands behind an odd number of backslashes.
func escaped(text []byte) bool {
	behind := text[:len(text)-1]
	return (len(behind)-len(bytes.TrimRight(behind, `\`)))%2 == 1
}

func (r *Reader) took(part []byte) {
	r.text.Write(part)
	r.read += int64(len(part))
	r.line += bytes.Count(part, []byte("\n"))
}

// comment passes over a line, and notes what dumps say of themselves.
func (r *Reader) comment() error {
	line, err := r.restOfLine()

	text := strings.TrimSpace(strings.TrimPrefix(line, "--"))
	if strings.HasPrefix(text, "MySQL dump ") || strings.HasPrefix(text, "MariaDB dump ") {
		r.signed = true
	}

	if strings.HasPrefix(text, "Dump completed") {
		r.ended = true
	}

	return err
}

// newDelimiter reads the client's own word DELIMITER, which says what ends statements from here on.
func (r *Reader) newDelimiter() (bool, error) {
	const word = "delimiter"

	head, _ := r.input.Peek(len(word) + 1)
	if len(head) <= len(word) || !strings.EqualFold(string(head[:len(word)]), word) || !isSpace(head[len(word)]) {
		return false, nil
	}

	line, err := r.restOfLine()
	if delimiter := strings.TrimSpace(line[len(word):]); delimiter != "" {
		r.delimiter = delimiter
	}

	return true, err
}

func (r *Reader) restOfLine() (string, error) {
	line, err := r.input.ReadString('\n')
	r.read += int64(len(line))

	if strings.HasSuffix(line, "\n") {
		r.line++
	}

	return line, err
}

func (r *Reader) at(text string) bool {
	head, _ := r.input.Peek(len(text))
	return string(head) == text
}

func (r *Reader) next() (byte, error) {
	c, err := r.input.ReadByte()
	if err != nil {
		return 0, err
	}

	r.read++

	if c == '\n' {
		r.line++
	}

	return c, nil
}

func (r *Reader) skip(count int) error {
	for range count {
		if _, err := r.next(); err != nil {
			return err
		}
	}

	return nil
}

// skipTo passes over everything to the end of a text.
func (r *Reader) skipTo(text string) error {
	for !r.at(text) {
		if _, err := r.next(); err != nil {
			return fmt.Errorf("%w within a comment", ErrCutOff)
		}
	}

	// What stood before and after it are two words.
	if r.begins > 0 {
		r.text.WriteByte(' ')
	}

	return r.skip(len(text))
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
