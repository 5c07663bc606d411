package lock

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxText is how many bytes a claim has at most: what the description of a VPC may have.
const MaxText = 255

// How a text begins that is a claim, of this version and of any; and one that says that nobody has the lock. That is
// not the empty text: a register may take that for "leave it as it is".
const (
	anyVersion = "hornero:lock:"
	prefix     = anyVersion + "1 "
	free       = prefix + "free"
)

// aside stands between a claim and the text of somebody else's that was there before.
const aside = " | "

// The most bytes of single values, so that all of them together are less than MaxText.
const (
	maxBy      = 48
	maxCommand = 48
	maxStep    = 48
	leastStep  = 8 // less of it says nothing
)

// Claim tells who holds the lock.
type Claim struct {
	Nonce   string    // names this claim, and no other
	By      string    // user@host
	Process Process   // the run's
	Command string    // what it does
	Step    string    // how far it is, or was at the last renewal; may be empty
	Since   time.Time // by the register's clock, as Until
	Until   time.Time
	Leaving bool // the stack is being destroyed
}

// entry is what a register's text says.
type entry struct {
	claim   Claim
	held    bool   // there is a claim; it may have ended
	foreign string // somebody else's text beside it, or alone
}

var errUnreadable = errors.New("not a claim of this version")

// newNonce draws the name of a claim. It is short, as people type it.
func newNonce() string {
	var bytes [4]byte
	_, _ = rand.Read(bytes[:]) // it never returns an error

	return hex.EncodeToString(bytes[:])
}

// fingerprint stands for the nonce of a claim that cannot be read, so that exactly that one can be broken.
func fingerprint(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}

// String is the claim's text without anybody else's.
func (c Claim) String() string {
	text, _ := c.text("") // that one fits is known of each value's limit

	return text
}

// text writes a claim with somebody else's text beside it; kept is false where that has no room. What the run does
// just now has what room is left.
func (c Claim) text(foreign string) (text string, kept bool) {
	fields := []string{
		"nonce=" + c.Nonce,
		"by=" + escape(c.By, maxBy),
		"process=" + c.Process.String(),
		"command=" + escape(c.Command, maxCommand),
		"since=" + strconv.FormatInt(c.Since.Unix(), 10),
		"until=" + strconv.FormatInt(c.Until.Unix(), 10),
	}
	if c.Leaving {
		fields = append(fields, "leaving=1")
	}

	text = prefix + strings.Join(fields, " ")

	rest := ""
	if foreign != "" {
		rest = aside + foreign
	}

	kept = len(text)+len(rest) <= MaxText
	if !kept {
		rest = ""
	}

	const name = " step="
	room := min(maxStep, MaxText-len(text)-len(rest)-len(name))

	if step := escape(c.Step, room); step != "" && room >= leastStep {
		text += name + step
	}

	return text + rest, kept
}

// escape writes a value as one word of at most so many bytes; what is longer is cut.
func escape(value string, most int) string {
	var word strings.Builder

	for _, r := range strings.ToValidUTF8(value, "?") {
		part := string(r)
		if r <= ' ' || r == '%' || r == '|' || r == 0x7f {
			part = fmt.Sprintf("%%%02X", r)
		}

		if word.Len()+len(part) > most {
			break
		}

		word.WriteString(part)
	}

	return word.String()
}

// read tells what a register's text says. Its error is errUnreadable for a claim that this version cannot read: it may
// be one of a later version, and counts as held.
func read(text string) (entry, error) {
	if !strings.HasPrefix(text, anyVersion) {
		return entry{foreign: text}, nil
	}

	if rest, ok := strings.CutPrefix(text, free); ok {
		return entry{foreign: strings.TrimSpace(rest)}, nil
	}

	words, foreign, _ := strings.Cut(text, aside)
	words, ok := strings.CutPrefix(words, prefix)
	if !ok {
		return entry{}, fmt.Errorf("%w: it begins with none of its words", errUnreadable)
	}

	claim, err := readClaim(words)
	if err != nil {
		return entry{}, fmt.Errorf("%w: %w", errUnreadable, err)
	}

	return entry{
		claim:   claim,
		held:    true,
		foreign: foreign,
	}, nil
}

// readClaim reads the words of a claim: each key once, none that is not known, and none missing.
func readClaim(words string) (Claim, error) {
	values := map[string]string{}

	for word := range strings.SplitSeq(words, " ") {
		key, value, _ := strings.Cut(word, "=")

		_, twice := values[key]
		value, err := url.PathUnescape(value)
		if twice || err != nil || !utf8.ValidString(value) {
			return Claim{}, fmt.Errorf("unfit word %q", word)
		}

		values[key] = value
	}

	c := Claim{}

	var err error
	take := func(key string, needed bool, set func(string) error) {
		value, there := values[key]
		delete(values, key)

		switch {
		case err != nil, !there && !needed:
		case value == "":
			err = fmt.Errorf("%s is missing", key)
		default:
			err = set(value)
		}
	}

	take("nonce", true, into(&c.Nonce))
	take("by", true, into(&c.By))
	take("process", true, c.Process.set)
	take("command", true, into(&c.Command))
	take("since", true, at(&c.Since))
	take("until", true, at(&c.Until))
	take("step", false, into(&c.Step))
	take("leaving", false, flag(&c.Leaving))

	if err == nil && len(values) > 0 {
		err = fmt.Errorf("unknown words: %v", values)
	}

	return c, err
}

func into(target *string) func(string) error {
	return func(value string) error {
		*target = value
		return nil
	}
}

// at reads a time, in seconds since 1970.
func at(target *time.Time) func(string) error {
	return func(value string) error {
		seconds, err := strconv.ParseInt(value, 10, 64)
		*target = time.Unix(seconds, 0)

		return err
	}
}

func flag(target *bool) func(string) error {
	return func(value string) error {
		if value != "1" {
			return fmt.Errorf("unfit flag %q", value)
		}

		*target = true

		return nil
	}
}

// resting is the text of a register whose lock nobody has.
func resting(foreign string) string {
	if foreign == "" {
		return free
	}

	return foreign
}
