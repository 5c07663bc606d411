package cloudinit

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"path"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/hornero/hornero/internal/report"
)

// Limits on what 64 KiB of user-data may unfold to.
const (
	maxUnfolded = 1 << 20 // bytes that gzip and transfer encodings make, all parts together
	maxDepth    = 8       // multi-part messages within each other
	maxParts    = 256
	maxName     = 64 // of a part
)

// mimeWindow is where cloud-init looks for the header that tells a MIME message.
const mimeWindow = 4096

// ErrUnfolds is user-data that gzip or MIME make larger than a node is to read.
var ErrUnfolds = fmt.Errorf(
	"user-data unfolds to more than %d MiB, %d parts or %d levels",
	maxUnfolded>>20,
	maxParts,
	maxDepth,
)

// Types of parts, by the names that cloud-init gives them.
const (
	TypeConfig  = "text/cloud-config"
	TypeArchive = "text/cloud-config-archive"
	TypeJinja   = "text/jinja2"
	TypeInclude = "text/x-include-url"
	TypePlain   = "text/plain"
	TypeScript  = "text/x-shellscript"
)

// Part is one thing in user-data, as cloud-init hands it to the handler of its type: unpacked and decoded.
type Part struct {
	Path string `json:"path"` // where in the user-data it is: "part-002", "config.yaml"; empty for the whole
	Type string `json:"type"`
	Size int    `json:"bytes"`
	Data []byte `json:"-"` // it may hold secrets
}

// typePrefixes tell a part's type by its first characters; the longest is compared first.
var typePrefixes = []struct{ text, mediaType string }{
	{"#cloud-config-archive", TypeArchive},
	{"#cloud-config-jsonp", "text/cloud-config-jsonp"},
	{"## template: jinja", TypeJinja},
	{"#cloud-boothook", "text/cloud-boothook"},
	{"#include-once", "text/x-include-once-url"},
	{"#cloud-config", TypeConfig},
	{"#part-handler", "text/part-handler"},
	{"#include", TypeInclude},
	{"#!", TypeScript},
}

// sniffed are the declared types that cloud-init does not believe: the content decides.
var sniffed = map[string]bool{
	"":         true,
	TypePlain:  true,
	TypeScript: true,
}

var gzipTypes = map[string]bool{
	"application/gzip":              true,
	"application/gzip-compressed":   true,
	"application/gzipped":           true,
	"application/x-compress":        true,
	"application/x-compressed":      true,
	"application/x-gunzip":          true,
	"application/x-gzip":            true,
	"application/x-gzip-compressed": true,
}

// Parts unfolds user-data the way cloud-init does: gzip around the whole, MIME multi-part within multi-part, transfer
// encodings, gzip around a part, and #cloud-config-archive. What it does not do is fetch an #include or render
// a template.
func Parts(userData []byte) ([]Part, error) {
	u := &unfolding{left: maxUnfolded}
	if isGzip(userData) {
		var err error
		if userData, err = u.gunzip(userData); err != nil {
			return nil, err
		}
	}

	// Text that begins as a known type is that type, whatever it says of MIME further down.
	window := bytes.ToLower(userData[:min(len(userData), mimeWindow)])
	if bytes.Contains(window, []byte("mime-version:")) && guess(userData) == "" {
		err := u.message(userData)
		return u.parts, err
	}

	err := u.leaf("", "", userData)

	return u.parts, err
}

// unfolding is the state of one Parts: what was found, and how much more may be.
type unfolding struct {
	parts []Part
	left  int
}

func (u *unfolding) message(data []byte) error {
	message, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("read MIME message: %w", err)
	}

	return u.entity("", textproto.MIMEHeader(message.Header), message.Body, 0)
}

// entity is a message or a part of one.
func (u *unfolding) entity(place string, header textproto.MIMEHeader, body io.Reader, depth int) error {
	mediaType, parameters := contentType(header)
	if strings.HasPrefix(mediaType, "multipart/") {
		return u.multipart(place, parameters["boundary"], body, depth+1)
	}

	data, err := u.read(transferDecoder(header.Get("Content-Transfer-Encoding"), body))
	if err != nil {
		return fmt.Errorf("read MIME part %s: %w", place, err)
	}

	return u.leaf(place, mediaType, data)
}

func (u *unfolding) multipart(place, boundary string, body io.Reader, depth int) error {
	if depth > maxDepth {
		return ErrUnfolds
	}

	if boundary == "" {
		return errors.New("read MIME message: its Content-Type names no boundary")
	}

	reader := multipart.NewReader(body, boundary)

	for number := 1; ; number++ {
		// Raw: NextPart would undo quoted-printable by itself and hide that it did.
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}

		if err != nil {
			return fmt.Errorf("read MIME message: %w", err)
		}

		if number > maxParts {
			return ErrUnfolds
		}

		if err := u.entity(
			below(place, part.FileName(), number),
			part.Header,
			part,
			depth,
		); err != nil {
			return err
		}
	}
}

// below names a part by its file's name, which comes from outside and ends in logs, or by its number.
func below(parent, name string, number int) string {
	name = strings.Map(func(r rune) rune {
		if r == '/' || !unicode.IsPrint(r) {
			return '_'
		}

		return r
	}, name)
	if name == "" || len(name) > maxName {
		name = fmt.Sprintf("part-%03d", number)
	}

	return path.Join(parent, name)
}

// contentType is the declared type; what cannot be read is text/plain, as in cloud-init.
func contentType(header textproto.MIMEHeader) (string, map[string]string) {
	mediaType, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil && !errors.Is(err,
		mime.ErrInvalidMediaParameter,
	) || !strings.Contains(mediaType, "/") {
		return TypePlain, nil
	}

	return mediaType, parameters
}

func transferDecoder(encoding string, body io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, spaceSkipper{body})
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	}

	return body
}

// spaceSkipper drops the white space that mail programs put into base64.
type spaceSkipper struct{ from io.Reader }

// Read reads what is not white space.
func (w spaceSkipper) Read(buffer []byte) (int, error) {
	for {
		n, err := w.from.Read(buffer)
		kept := 0

		for _, b := range buffer[:n] {
			if b != ' ' && b != '\t' && b != '\r' && b != '\n' {
				buffer[kept] = b
				kept++
			}
		}

		if kept > 0 || err != nil || len(buffer) == 0 {
			return kept, err
		}
	}
}

// leaf is what is no container of MIME: a part of its own, or gzip or an archive around some.
func (u *unfolding) leaf(place, mediaType string, data []byte) error {
	if gzipTypes[mediaType] {
		var err error
		if data, err = u.gunzip(data); err != nil {
			return err
		}

		// What is inside has no declared type: its first characters tell.
		mediaType = ""
	}

	if sniffed[mediaType] {
		if known := guess(data); known != "" {
			mediaType = known
		} else if mediaType == "" {
			mediaType = TypePlain
		}
	}

	if mediaType == TypeArchive {
		return u.archive(place, data)
	}

	return u.add(place, mediaType, data)
}

func (u *unfolding) add(place, mediaType string, data []byte) error {
	if len(u.parts) >= maxParts {
		return ErrUnfolds
	}

	u.parts = append(u.parts, Part{
		Path: place,
		Type: mediaType,
		Size: len(data),
		Data: data,
	})

	return nil
}

// archive is YAML's way to say multi-part: a list of texts, or of mappings with content, type and filename.
func (u *unfolding) archive(place string, data []byte) error {
	var entries []yaml.Node

	if err := report.Unmarshal(data, &entries); err != nil {
		return fmt.Errorf("read #cloud-config-archive: it is no YAML list: %w", unquoted(err))
	}

	for i := range entries {
		var entry struct {
			Content  string `yaml:"content"`
			Type     string `yaml:"type"`
			Filename string `yaml:"filename"`
		}

		node := &entries[i]
		if node.Kind == yaml.AliasNode {
			node = node.Alias
		}

		if node.Kind == yaml.ScalarNode {
			entry.Content = node.Value
		} else if err := report.DecodeNode(node, &entry); err != nil {
			return fmt.Errorf("read #cloud-config-archive: entry %d: %w", i+1, unquoted(err))
		}

		// An alias costs the archive one word and us the whole text.
		if u.left -= len(entry.Content); u.left < 0 {
			return ErrUnfolds
		}

		if entry.Type == "" {
			// cloud-init takes an entry of no known beginning for #cloud-config.
			if entry.Type = guess([]byte(entry.Content)); entry.Type == "" {
				entry.Type = TypeConfig
			}
		}

		if err := u.add(
			below(place, entry.Filename, i+1),
			entry.Type,
			[]byte(entry.Content),
		); err != nil {
			return err
		}
	}

	return nil
}

// unquoted is an error of the YAML reader without the values that it quotes, which may be secrets.
func unquoted(err error) error {
	var wrong *yaml.TypeError
	if errors.As(err, &wrong) {
		return errors.New("a value is of the wrong type")
	}

	return err
}

// guess tells a part's type by how it begins, or "".
func guess(data []byte) string {
	// 32 bytes are more than any of the prefixes has.
	data = bytes.TrimLeft(data, " \t\r\n\v\f")
	start := strings.ToLower(string(data[:min(len(data), 32)]))

	for _, beginning := range typePrefixes {
		if strings.HasPrefix(start, beginning.text) {
			return beginning.mediaType
		}
	}

	return ""
}

func isGzip(data []byte) bool {
	return bytes.HasPrefix(data, []byte{0x1f, 0x8b})
}

func (u *unfolding) gunzip(data []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err == nil {
		// Through u, which counts what all parts together unfold to.
		data, err = u.read(reader)
	}
	if err != nil {
		return nil, fmt.Errorf("unpack gzip: %w", err)
	}

	return data, nil
}

// read reads all of it, or as much as may still be unfolded.
func (u *unfolding) read(from io.Reader) ([]byte, error) {
	// One byte more than is left tells too much from just enough.
	data, err := io.ReadAll(io.LimitReader(from, int64(u.left)+1))
	if err != nil {
		return nil, err
	}
	if u.left -= len(data); u.left < 0 {
		return nil, ErrUnfolds
	}

	return data, nil
}
