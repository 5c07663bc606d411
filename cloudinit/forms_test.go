package cloudinit_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
)

// TestEveryFormIsUnfoldedAsByCloudInit compares with what cloud-init itself made of the same bytes
// (testdata/forms.py).
func TestEveryFormIsUnfoldedAsByCloudInit(t *testing.T) {
	inputs, err := filepath.Glob("testdata/forms/*.in")
	require.NoError(t, err)
	require.Greater(t, len(inputs), 20)

	for _, input := range inputs {
		t.Run(strings.TrimSuffix(filepath.Base(input), ".in"), func(t *testing.T) {
			data, err := os.ReadFile(input)
			require.NoError(t, err)

			want, err := os.ReadFile(strings.TrimSuffix(input, ".in") + ".want")
			require.NoError(t, err)

			parts, err := cloudinit.Parts(data)
			require.NoError(t, err)
			var got bytes.Buffer

			for _, part := range parts {
				fmt.Fprintf(&got, "==== %s\n%s", part.Type, part.Data)
			}

			require.Equal(t, string(want), got.String())

			node, err := cloudinit.Decode("user-data", data)
			require.NoError(t, err)
			require.Equal(t, "db-2", node.Node)
			require.Equal(t, []string{"10.0.0.2"}, node.Join)
			require.Equal(t, "key", node.TLS.Key.Reveal())
			require.Contains(t, node.Settings["site.title"], "an example")
		})
	}
}

func TestAPartIsNamedByItsFile(t *testing.T) {
	data, err := os.ReadFile("testdata/forms/mime-base64.in")
	require.NoError(t, err)

	parts, err := cloudinit.Parts(data)
	require.NoError(t, err)
	require.Equal(t, "config.yaml", parts[0].Path)

	data, err = os.ReadFile("testdata/forms/mime-nested.in")
	require.NoError(t, err)

	parts, err = cloudinit.Parts(data)
	require.NoError(t, err)
	require.Equal(t, "part-002/part-002/part-001", parts[2].Path)

	_, err = cloudinit.Decode("user-data", bytes.Replace(
		data,
		[]byte("Content-Type: text/cloud-config"),
		[]byte("Content-Type: text/x-other"),
		1,
	))
	require.ErrorIs(t, err, cloudinit.ErrNotOurs)
}

func TestWhatIsCutOrTwofoldOrTooMuchIsRefused(t *testing.T) {
	plain := string(encoded(t))
	zeros := packed(t, strings.Repeat("\x00", 2<<20))
	nested := "Content-Type: text/cloud-config\n\n#cloud-config\n"

	for level := range 10 {
		nested = fmt.Sprintf(
			"Content-Type: multipart/mixed; boundary=b%d\nMIME-Version: 1.0\n\n--b%d\n%s\n--b%d--\n",
			level,
			level,
			nested,
			level,
		)
	}

	for name, c := range map[string]struct{ data, says string }{
		"a script":      {"#!/bin/sh\ntrue\n", "it holds: text/x-shellscript"},
		"nothing known": {"hello", "it holds: text/plain"},
		"an include":    {"#include\nhttps://example.org/x\n", "an #include is not followed"},
		"a template":    {"## template: jinja\n" + plain, "a template is not rendered"},
		"no document":   {"#cloud-config\n{}\n", "write_files has no /etc/hornero/node.yaml"},
		"two documents": {
			data: "#cloud-config-archive\n- " + quoted(plain) + "\n- " + quoted(plain) + "\n",
			says: "it carries 2 of them",
		},
		"cut gzip": {
			data: packed(t, plain)[:200],
			says: "unpack gzip: unexpected EOF",
		},
		"wrong gzip": {
			data: strings.Replace(
				packed(t, plain),
				packed(t, plain)[50:51],
				"\xaa",
				1,
			),
			says: "unpack gzip",
		},
		"cut MIME": {
			data: "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: " +
				"text/cloud-config\n\n" + plain,
			says: "read MIME part part-001: unexpected EOF",
		},
		"no boundary": {
			data: "MIME-Version: 1.0\nContent-Type: multipart/mixed\n\n--b\n",
			says: "names no boundary",
		},
		"no header": {"MIME-Version: 1.0\nwhat\n\n", "read MIME message"},
		"a gzip bomb": {
			data: zeros,
			says: cloudinit.ErrUnfolds.Error(),
		},
		"a MIME tower": {
			data: nested,
			says: cloudinit.ErrUnfolds.Error(),
		},
		"many parts": {
			data: "#cloud-config-archive\n" + strings.Repeat("- x\n", 300),
			says: cloudinit.ErrUnfolds.Error(),
		},
		"an alias bomb": {
			data: "#cloud-config-archive\n- content: &a " + strings.Repeat("x", 30000) + "\n" +
				strings.Repeat("- {content: *a}\n", 100),
			says: cloudinit.ErrUnfolds.Error(),
		},
		"no list": {
			data: "#cloud-config-archive\na: hunter2hunter2\n",
			says: "a value is of the wrong type",
		},
		"wrong base64": {
			data: strings.Replace(plain, "content:", "encoding: b64\n      content:", 1),
			says: "write_files[0].content: read base64",
		},
		"no list either": {"#cloud-config\nwrite_files: hunter2\n", "a value is of the wrong type"},
	} {
		_, err := cloudinit.Decode("user-data", []byte(c.data))
		require.ErrorIs(t, err, cloudinit.ErrNotOurs, name)
		require.ErrorContains(t, err, c.says, name)
		require.NotContains(t, err.Error(), "hunter2", "a value may be a secret")
	}
}

func packed(t *testing.T, text string) string {
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	_, err := writer.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, writer.Close())

	return out.String()
}

func quoted(text string) string { return fmt.Sprintf("%q", text) }

func TestADocumentsProblemsAreWhereTheyAre(t *testing.T) {
	good, err := os.ReadFile("testdata/forms/plain.in")
	require.NoError(t, err)

	for _, c := range []struct{ old, new, want string }{
		{
			old:  "stack: blog",
			new:  "stakc: blog",
			want: `user-data#/etc/hornero/node.yaml:2:1: error: stakc: unknown key; did you mean "stack"?`,
		},
		{
			old:  "stack: blog",
			new:  "stack: ''",
			want: "user-data#/etc/hornero/node.yaml:2:8: error: stack: is missing",
		},
		{
			old:  "incarnation: 3",
			new:  "incarnation: three",
			want: `user-data#/etc/hornero/node.yaml:5:14: error: incarnation: must be a whole number, got "three"`,
		},
		{
			old:  "incarnation: 3",
			new:  "incarnation: 0",
			want: "user-data#/etc/hornero/node.yaml:5:14: error: incarnation: must be at least 1, got 0",
		},
		{
			old:  "  key: key",
			new:  "  kye: key",
			want: `user-data#/etc/hornero/node.yaml:14:3: error: tls.kye: unknown key; did you mean "key"?`,
		},
		{
			old:  "  - 10.0.0.2",
			new:  "  - [10.0.0.2]",
			want: "user-data#/etc/hornero/node.yaml:8:5: error: join[0]: must be text, got a list",
		},
		{
			old:  "role: db",
			new:  "role: db\n      role: web",
			want: "user-data#/etc/hornero/node.yaml:4:1: error: role: given twice; the first is on line 3",
		},
		{
			old:  "found: false",
			new:  "found: maybe",
			want: `user-data#/etc/hornero/node.yaml:6:8: error: found: must be true or false, got "maybe"`,
		},
		{
			old:  "version: 1",
			new:  "version: one",
			want: `user-data#/etc/hornero/node.yaml:1:10: error: version: must be a whole number, got "one"`,
		},
		{
			old:  "version: 1",
			new:  "verion: 1",
			want: "user-data#/etc/hornero/node.yaml:1:1: error: version: must be 1, got 0",
		},
		{"version: 1", "{", "user-data#/etc/hornero/node.yaml:"},
	} {
		broken := bytes.Replace(
			good,
			[]byte(c.old),
			[]byte(c.new),
			1,
		)
		require.NotEqual(t, good, broken)

		_, err := cloudinit.Decode("user-data", broken)
		require.ErrorContains(t, err, c.want)
	}

	_, err = cloudinit.Decode("user-data", bytes.Replace(
		good,
		[]byte("version: 1\n      stack"),
		[]byte("version: 2\n      stakc"),
		1,
	))

	require.EqualError(t,
		err,
		"user-data#/etc/hornero/node.yaml:1:10: error: version: must be 1, got 2; launch the node with the "+
			"hornero that made its image",
		"another version's fields are not ours to judge",
	)
}

func TestAliasesDoNotUnfoldWithoutEnd(t *testing.T) {
	text := "expected:\n  k0: &l [" + strings.Repeat("a,", 10_000) + "]\n"
	for key := range 2_000 {
		text += fmt.Sprintf("  k%d: *l\n", key+1)
	}

	require.Less(t, len(text), cloudinit.MaxUserData)

	_, err := cloudinit.DecodeNode("node.yaml", []byte(text))
	require.ErrorContains(t, err, "its aliases unfold to more than 100000 values")
}

func TestTheExampleOfTheDocsCarriesADocument(t *testing.T) {
	text, err := os.ReadFile("../docs/userdata.md")
	require.NoError(t, err)

	_, block, _ := strings.Cut(string(text), "```yaml\n")
	block, _, _ = strings.Cut(block, "```")
	_, err = cloudinit.Decode("user-data", []byte(block))
	require.ErrorContains(t,
		err,
		"user-data[part-002]#/etc/hornero/node.yaml",
		"it is found, and what it leaves out is missed",
	)

	require.NotErrorIs(t, err, cloudinit.ErrNotOurs)
}
