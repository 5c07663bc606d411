package builder_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
	"github.com/hornero/hornero/internal/record"
)

// machine records what runs on it and answers by a part of the command.
type machine struct {
	packersdk.MockCommunicator
	commands []string
	inputs   [][]byte
	answers  map[string]func(*packersdk.RemoteCmd) int
	record   func(*packersdk.RemoteCmd) int // how the record is read; nil gives back what was begun
}

func (m *machine) Start(_ context.Context, command *packersdk.RemoteCmd) error {
	m.commands = append(m.commands, command.Command)
	var input []byte
	if command.Stdin != nil {
		input, _ = io.ReadAll(command.Stdin)
	}

	m.inputs = append(m.inputs, input)
	status := 0

	for part, answer := range m.answers {
		if strings.Contains(command.Command, part) {
			status = answer(command)
		}
	}

	command.SetExited(status)

	return nil
}

// readRecord gives the record back as it was begun.
func (m *machine) readRecord(command *packersdk.RemoteCmd) int {
	for i, begun := range m.commands {
		if strings.HasSuffix(begun, "hornero-bootstrap record") {
			_, _ = command.Stdout.Write(m.inputs[i])
		}
	}

	return 0
}

func says(text string, status int) func(*packersdk.RemoteCmd) int {
	return func(command *packersdk.RemoteCmd) int {
		_, _ = io.WriteString(command.Stdout, text)
		return status
	}
}

// complete has the machine answer with a record and a list of files, where the test says nothing else.
func (m *machine) complete(t *testing.T) {
	t.Helper()

	if m.answers == nil {
		m.answers = map[string]func(*packersdk.RemoteCmd) int{}
	}

	m.answers["cat "+record.Path] = m.readRecord

	if m.record != nil {
		m.answers["cat "+record.Path] = m.record
	}

	if m.answers["hornero-bootstrap record"] == nil {
		m.answers["hornero-bootstrap record"] = says("[]", 0)
	}

	packed, err := record.Contents{"/etc": "folder 0755 0:0"}.Pack()
	require.NoError(t, err)

	if m.answers["cat "+record.ContentsPath] == nil {
		m.answers["cat "+record.ContentsPath] = says(string(packed), 0)
	}
}

func provision(t *testing.T, m *machine, options, generated object) error {
	t.Helper()
	p := &builder.Provisioner{Version: "1.2.3"}
	m.complete(t)

	all := object{
		"role":             "tiny",
		"roles_dir":        writeRoles(t),
		"bootstrap_binary": writeProgram(t, nil),
		"records_dir":      t.TempDir(),
	}

	for name, value := range options {
		all[name] = value
	}

	require.NoError(t, p.Prepare(all))

	return p.Provision(t.Context(), packersdk.TestUi(t), m, generated)
}

func unpack(t *testing.T, data []byte) map[string]string {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(data))
	require.NoError(t, err)

	files := map[string]string{}

	for reader := tar.NewReader(zipped); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}

		require.NoError(t, err)

		text, err := io.ReadAll(reader)
		require.NoError(t, err)

		files[header.Name] = string(text)
	}
}

const passed = `{"passed": ["packages"], "faults": [], "packages": {"hello": "2.10-3"}, "files": 7, "size": 1048576}`

func TestProvisionAppliesSealsAndVerifies(t *testing.T) {
	m := &machine{answers: map[string]func(*packersdk.RemoteCmd) int{"verify --json": says(passed, 0)}}
	records := t.TempDir()
	options := object{"records_dir": records, "packer_core_version": "1.11.2"}
	require.NoError(t, provision(t, m, options, nil))

	order := []string{
		"tar -xzf",
		"apply.sh",
		"hornero-bootstrap record",
		"cat /usr/lib/hornero/image.json",
		"*/copyright",
		"cat > /usr/lib/hornero/sbom.cdx.json",
		"seal.sh",
		"hornero-bootstrap contents",
		"cat /usr/lib/hornero/contents.gz",
		"hornero-bootstrap verify --json",
	}
	require.Len(t, m.commands, len(order))

	for i, part := range order {
		require.Contains(t, m.commands[i], part)
	}

	files := unpack(t, m.inputs[0])
	require.Equal(t, "nftables\nhello\nnew\n", files["packages"])

	require.Contains(t,
		files["preferences"],
		"Package: apache2\nPin: release *\nPin-Priority: -1\n",
	)

	require.Equal(t, "tiny13.service\n", files["units"])
	require.Contains(t, files["commands.sh"], "echo tiny13.service")
	require.Contains(t, files["files.list"], " 0600 daemon:daemon ")
	require.Contains(t, files["files.list"], " /usr/lib/hornero/roles/tiny/role.yaml\n")
	require.Contains(t, files["files.list"], " 0755 root:root ")

	var begun record.Image
	require.NoError(t, json.Unmarshal(m.inputs[2], &begun))
	require.Equal(t, "tiny", begun.Role)
	require.Equal(t, "debian-13-x64", begun.Base)
	require.Len(t, begun.Digest, 64)
	require.Contains(t, begun.Inputs, "roles/tiny/motd")
	require.Contains(t, begun.Files, "/etc/motd")
	require.Contains(t, begun.Files, builder.BootstrapPath)

	require.Equal(t,
		map[string]string{"packer": "1.11.2", "packer-plugin-hornero": "1.2.3"},
		begun.Programs,
	)

	kept, err := record.Folder(records).Read(begun.Name, 0)
	require.NoError(t, err)
	require.Equal(t, begun, kept)
	require.Contains(t, kept.Varies, record.Path)

	contents, err := record.Folder(records).ReadContents(begun.Name, 0)
	require.NoError(t, err)
	require.Equal(t, record.Contents{"/etc": "folder 0755 0:0"}, contents)
}

func TestAnImageWithoutAUsableRecordIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"": "read image record: unexpected end of " +
			"JSON input",
		`{"version": 1, "digest": "00"}`: "it is of another image, 00",
	} {
		m := &machine{answers: map[string]func(*packersdk.RemoteCmd) int{"verify --json": says(passed, 0)}}
		records := t.TempDir()
		m.record = says(text, 0)
		err := provision(t, m, object{"records_dir": records}, nil)
		require.ErrorIs(t, err, builder.ErrUnsealed)
		require.ErrorContains(t, err, want)

		left, err := os.ReadDir(records)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

func TestAnImageWithoutAListOfItsFilesIsRefused(t *testing.T) {
	m := &machine{answers: map[string]func(*packersdk.RemoteCmd) int{
		"verify --json":              says(passed, 0),
		"cat " + record.ContentsPath: says("no list", 0),
	}}

	err := provision(t, m, nil, nil)
	require.ErrorIs(t, err, builder.ErrUnsealed)

	require.ErrorContains(t,
		err,
		"the list of files in the image cannot be used: read the list of files: ",
	)
}

// sent is what a provisioner sends to the machine: its payload, and the record that it began.
type sent struct {
	files map[string]string
	begun record.Image
}

func applied(t *testing.T, options object) sent {
	t.Helper()
	m := &machine{answers: map[string]func(*packersdk.RemoteCmd) int{"verify --json": says(passed, 0)}}
	dir := writeRoles(t)
	writeFile(t,
		filepath.Join(dir, "common/role.yaml"),
		commonManifest+"bake: {commands: [echo common]}\n",
	)

	all := object{"roles_dir": dir}

	for name, value := range options {
		all[name] = value
	}

	require.NoError(t, provision(t, m, all, nil))

	s := sent{files: unpack(t, m.inputs[0])}
	require.NoError(t, json.Unmarshal(m.inputs[2], &s.begun))

	return s
}

func TestACommandThatFailsIsToldWithItsLastWords(t *testing.T) {
	m := &machine{answers: map[string]func(*packersdk.RemoteCmd) int{
		"apply.sh": says(
			strings.Repeat("noise\n", 100)+"E: Unable to locate package hello\nno line's end",
			100,
		),
	}}

	err := provision(t, m, nil, nil)
	require.ErrorIs(t, err, builder.ErrRemote)

	require.ErrorContains(t,
		err,
		"apply: the command on the Droplet did not succeed: exit status 100:\n",
	)

	require.ErrorContains(t, err, "E: Unable to locate package hello\nno line's end")
	require.Less(t, strings.Count(err.Error(), "noise"), 50)
	require.Len(t, m.commands, 2, "nothing more runs")
}

func TestAnImageThatFailsItsSelfTestIsRefused(t *testing.T) {
	var list []string
	for i := range 100 { // more than the tail of a command that failed
		list = append(list, fmt.Sprintf(
			`{"check": "leftovers", "what": "log /var/log/%d is in the image", "do": "why"}`,
			i,
		))
	}

	text := `{"faults": [` + strings.Join(list, ",") + `]}`
	m := &machine{answers: map[string]func(*packersdk.RemoteCmd) int{"verify --json": says(text, 1)}}
	err := provision(t, m, nil, nil)
	require.ErrorIs(t, err, builder.ErrUnsealed)
	require.ErrorContains(t, err, "100 faults:\nfault: log /var/log/0 is in the image: why\n")

	last := "\nfault: log /var/log/99 is in the image: why"
	require.True(t, strings.HasSuffix(err.Error(), last), "the cause comes last")
}

func TestAnImageThatDoesNotTestItselfIsRefused(t *testing.T) {
	for name, status := range map[string]int{"an error": 1, "success": 0} {
		verify := func(command *packersdk.RemoteCmd) int {
			_, _ = io.WriteString(command.Stderr, "unknown command \"verify\"\n")
			return status
		}
		m := &machine{answers: map[string]func(*packersdk.RemoteCmd) int{"verify --json": verify}}

		err := provision(t, m, nil, nil)
		require.ErrorIs(t, err, builder.ErrUnsealed, name)

		if status != 0 {
			require.ErrorContains(t, err, `unknown command "verify"`)
		}
	}

	m := &machine{answers: map[string]func(*packersdk.RemoteCmd) int{"verify --json": says(passed, 1)}}
	require.ErrorIs(t,
		provision(t, m, nil, nil),
		builder.ErrUnsealed,
		"no fault is told, and yet it did not pass",
	)
}

func TestBuilderAndProvisionerMustAgree(t *testing.T) {
	m := &machine{}
	err := provision(t,
		m,
		object{"release": "debian-12"},
		object{"HorneroDigest": strings.Repeat("0", 64)},
	)
	require.ErrorIs(t, err, builder.ErrConfig)
	require.Empty(t, m.commands)
}

// A template cannot know what a builder that starts from nothing calls its system.
func TestTheProvisionerTakesTheBaseFromTheBuilder(t *testing.T) {
	for _, test := range []struct {
		options object
		base    string
	}{{nil, "rootfs-trixie-00"}, {object{"image": "4711"}, "4711"}} {
		m := &machine{answers: map[string]func(*packersdk.RemoteCmd) int{"verify --json": says(passed, 0)}}
		require.NoError(t, provision(t, m, test.options, object{"HorneroBase": "rootfs-trixie-00"}))
		var begun record.Image
		require.NoError(t, json.Unmarshal(m.inputs[2], &begun))
		require.Equal(t, test.base, begun.Base)
	}
}

// Debian 9 has no base image: the builder tells one, or the error what to do.
func TestAReleaseWithoutABaseIsToldIt(t *testing.T) {
	old := object{"release": "debian-9", "role": "common"}
	m := &machine{answers: map[string]func(*packersdk.RemoteCmd) int{"verify --json": says(passed, 0)}}
	require.NoError(t, provision(t, m, old, object{"HorneroBase": "rootfs-stretch-00"}))
	var begun record.Image
	require.NoError(t, json.Unmarshal(m.inputs[2], &begun))
	require.Equal(t, "rootfs-stretch-00", begun.Base)

	m = &machine{}
	require.ErrorContains(t, provision(t, m, old, nil), "DigitalOcean has no image of debian-9")
	require.Empty(t, m.commands)
}

func TestProvisionerTellsWrongOptions(t *testing.T) {
	err := new(builder.Provisioner).Prepare(object{
		"role":      "tiny",
		"roles_dir": writeRoles(t),
		"release":   "x",
	})
	require.ErrorContains(t, err, "release:")
	require.ErrorContains(t, err, "bootstrap_binary:")
}
