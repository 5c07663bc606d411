package archive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// signed is what a suite's InRelease says, after its signature was checked (Debian wiki, DebianRepository/Format).
type signed struct {
	date       time.Time
	validUntil time.Time // zero: it does not say
	byHash     bool      // files can be asked for by their digest
	files      map[string]sum
}

// sum is what a file of the suite must be.
type sum struct {
	sha256 string
	size   int64
}

// verify reads an InRelease. Only what is between the signature's marks counts, and only with a good signature, of the
// suite that was asked for, before its time is over.
func verify(data []byte, suite string, keys keyring, now time.Time) (signed, error) {
	block, _ := clearsign.Decode(data)
	if block == nil {
		return signed{}, errors.New("it bears no whole signature")
	}

	clock := &packet.Config{
		Time: func() time.Time { return now },
	}

	_, err := block.VerifySignature(keys, clock)
	if err != nil {
		return signed{}, fmt.Errorf("its signature is not good: %w", err)
	}

	text := newParagraphs(bytes.NewReader(block.Plaintext))

	fields, err := text.next()
	if err != nil {
		return signed{}, err
	}

	// What Debian signed for another suite would hide this one's updates. stretch/updates called itself stretch.
	name, _, _ := strings.Cut(suite, "/")
	code := fields.Get("Codename")
	alias := fields.Get("Suite")

	if code != name && alias != name {
		return signed{}, fmt.Errorf("it is of %s (%s), not of %s", code, alias, suite)
	}

	return parseSigned(fields, now)
}

func parseSigned(fields textproto.MIMEHeader, now time.Time) (signed, error) {
	said := signed{
		byHash: fields.Get("Acquire-By-Hash") == "yes",
	}

	var err error

	said.date, err = parseDate(fields.Get("Date"))
	if err != nil {
		return said, fmt.Errorf("its date is none: %w", err)
	}

	if until := fields.Get("Valid-Until"); until != "" {
		said.validUntil, err = parseDate(until)
		if err != nil {
			return said, fmt.Errorf("its Valid-Until is no date: %w", err)
		}

		// An old list, shown again, would hide what came since.
		if now.After(said.validUntil) {
			const what = "it was good until %s only; where that is to come, set this machine's clock right"
			return said, fmt.Errorf(what, said.validUntil.Format(time.DateOnly))
		}
	}

	said.files, err = parseSums(fields.Get("SHA256"))

	return said, err
}

// parseDate reads a date of an InRelease, which is in UTC.
func parseDate(text string) (time.Time, error) {
	return time.Parse(time.RFC1123, text)
}

// parseSums reads lines of a digest, a size and a name.
func parseSums(text string) (map[string]sum, error) {
	words := strings.Fields(text)
	if len(words) == 0 || len(words)%3 != 0 {
		return nil, errors.New("it names no SHA-256 digests of its lists")
	}

	files := map[string]sum{}

	for ; len(words) > 0; words = words[3:] {
		size, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the size of %s is no number: %w", words[2], err)
		}

		files[words[2]] = sum{
			sha256: words[0],
			size:   size,
		}
	}

	return files, nil
}

// paragraphs reads fields of a control file, paragraph by paragraph (deb-control(5)). They have the form of a mail's
// header, for which there is a reader.
type paragraphs struct{ reader *textproto.Reader }

func newParagraphs(text io.Reader) paragraphs {
	return paragraphs{textproto.NewReader(bufio.NewReader(text))}
}

// next is io.EOF behind the last paragraph.
func (p paragraphs) next() (textproto.MIMEHeader, error) {
	fields, err := p.reader.ReadMIMEHeader()

	// The last paragraph may end without an empty line.
	if errors.Is(err, io.EOF) && len(fields) > 0 {
		return fields, nil
	}

	return fields, err
}

// maxSigned bounds an InRelease, in bytes; Debian's largest is a fifth of a megabyte.
const maxSigned = 8 << 20

// maxList bounds a list as it is sent: a number in a signed file is believed up to here.
const maxList = math.MaxInt32
