package fleet

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/command"
)

// LogLine is an entry of a node's journal.
type LogLine struct {
	Time     time.Time `json:"time"` // by the node's clock
	Node     string    `json:"node"`
	Role     string    `json:"role"`
	Unit     string    `json:"unit"`     // systemd's; empty for the kernel
	Program  string    `json:"program"`  // as it calls itself
	PID      int       `json:"pid"`      // 0 for the kernel
	Priority int       `json:"priority"` // syslog's: 3 is an error, 6 a piece of information
	Message  string    `json:"message"`  // may have several lines
}

// journalFields are those that a LogLine is made of.
const journalFields = "MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_COMM,_PID,_SYSTEMD_UNIT"

// maxEntry is how many bytes an entry may have: the journal itself takes fields of up to 768 MB.
const maxEntry = 16 << 20

// journalCommand is the command line that prints a journal, an entry a line.
func journalCommand(query LogQuery) string {
	lines := "all"
	if query.Lines > 0 {
		lines = strconv.Itoa(query.Lines)
	}

	// --all: without it a message of more than 4 KB, as a stack trace is, is left out.
	words := []string{"--output=json", "--all", "--no-pager", "--quiet", "--lines=" + lines}

	// Seconds, since the node's time zone is of no matter then.
	if !query.Since.IsZero() {
		micros := query.Since.UnixMicro()
		words = append(words, fmt.Sprintf("--since=@%d.%06d", micros/1e6, micros%1e6))
	}

	for _, unit := range query.Units {
		words = append(words, "--unit="+unit)
	}

	if query.Follow {
		words = append(words, "--follow")
	}

	// Debian 9's journalctl prints all fields and knows no choice.
	return "fields=; " +
		"journalctl --help | grep -q output-fields && fields=--output-fields=" + journalFields + "; " +
		tethered("journalctl $fields "+command.Quote(words))
}

// tethered makes a command end on the node when its standard input is closed, as it is when the connection is. sshd
// alone does not tell a command of that before it writes again.
func tethered(line string) string {
	return "exec 3<&0; (cat <&3; kill $$) >/dev/null 2>&1 & exec " + line + " </dev/null 3<&-"
}

// readJournal hands over each entry of journalctl's JSON.
func readJournal(from io.Reader, each func(LogLine) error) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxEntry)

	for lines.Scan() {
		line, err := parseEntry(lines.Bytes())
		if err != nil {
			return err
		}

		if err := each(line); err != nil {
			return err
		}
	}

	return lines.Err()
}

func parseEntry(text []byte) (LogLine, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return LogLine{}, fmt.Errorf("read an entry of the journal: %w", err)
	}

	field := func(name string) string { return fieldText(fields[name]) }

	number := func(name string, otherwise int) int {
		if value, err := strconv.Atoi(field(name)); err == nil {
			return value
		}

		return otherwise
	}

	micros, err := strconv.ParseInt(field("__REALTIME_TIMESTAMP"), 10, 64)
	if err != nil {
		return LogLine{}, fmt.Errorf("read the time of an entry of the journal: %w", err)
	}

	line := LogLine{
		Time:     time.UnixMicro(micros).UTC(),
		Unit:     field("_SYSTEMD_UNIT"),
		Program:  field("SYSLOG_IDENTIFIER"),
		PID:      number("_PID", 0),
		Priority: number("PRIORITY", 6), // what a program prints, as systemd takes it
		Message:  strings.TrimRight(field("MESSAGE"), "\n"),
	}

	if line.Program == "" {
		line.Program = field("_COMM")
	}

	return line, nil
}

// fieldText is the text of a field: a string, a list of bytes where it is not UTF-8, or a list of these where an entry
// has the field more than once.
func fieldText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}

	var numbers []int
	if json.Unmarshal(raw, &numbers) == nil {
		bytes := make([]byte, 0, len(numbers))
		for _, number := range numbers {
			bytes = append(bytes, byte(number))
		}

		return strings.ToValidUTF8(string(bytes), "\uFFFD")
	}

	var several []json.RawMessage
	if json.Unmarshal(raw, &several) != nil {
		return ""
	}

	var texts []string
	for _, one := range several {
		texts = append(texts, fieldText(one))
	}

	return strings.Join(slices.DeleteFunc(texts, func(text string) bool { return text == "" }), "\n")
}
