package builder_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"gopkg.in/yaml.v3"

	"github.com/hornero/hornero/cloudinit"
)

// hostKeyText is the host key that cloud-init would install: the last in the user-data.
func hostKeyText(userData string) string {
	parts, err := cloudinit.Parts([]byte(userData))
	if err != nil || len(parts) == 0 {
		return ""
	}

	var config struct {
		Delete bool              `yaml:"ssh_deletekeys"`
		Keys   map[string]string `yaml:"ssh_keys"`
	}
	if err := yaml.Unmarshal(parts[len(parts)-1].Data, &config); err != nil || !config.Delete {
		return ""
	}

	return config.Keys["ed25519_private"]
}

func hostKeyIn(userData string) ssh.Signer {
	key, err := ssh.ParsePrivateKey([]byte(hostKeyText(userData)))
	if err != nil {
		return nil
	}

	return key
}

// Whoever answers at the Droplet's address with a host key of his own gets neither a login nor the role's files.
func TestAnotherHostKeyIsRefused(t *testing.T) {
	c := newCloud(t)
	c.deaf = true
	b := prepared(t, c, object{"ssh_timeout": "300ms"})
	ui := &heard{Ui: packersdk.TestUi(t)}
	_, err := b.Run(t.Context(), ui, new(packersdk.MockHook))

	require.ErrorContains(t, err, "wait for SSH at 127.0.0.1:")
	require.ErrorContains(t, err, "another host key than this build's")
	require.ErrorContains(t, err, "shows "+ssh.FingerprintSHA256(c.ssh.key.PublicKey()))

	require.Zero(t, c.ssh.tried())
	require.Equal(t, nothing, c.left())
}

// What Packer itself connects with is held to the key, too, not only the wait before it.
func TestAHostKeyThatChangesAfterTheFirstLoginIsRefused(t *testing.T) {
	c := newCloud(t)
	b := prepared(t, c, object{"ssh_timeout": "2s", "pause_before_connecting": time.Millisecond})

	// Packer's step connects, pauses, and connects once more.
	other := someKey(t)
	logins := 0
	hook := new(packersdk.MockHook)
	ui := &whenSaid{Ui: packersdk.TestUi(t), text: "Pausing", then: func() {
		c.ssh.show(other)
		logins = c.ssh.tried()
	}}

	_, err := b.Run(t.Context(), ui, hook)
	require.ErrorContains(t, err, "Timeout waiting for SSH.")
	require.False(t, hook.RunCalled, "nothing is provisioned")
	require.Positive(t, logins)
	require.Equal(t, logins, c.ssh.tried(), "nobody logs in at the other")
	require.Equal(t, nothing, c.left())
}

// whenSaid does something once the build said a text.
type whenSaid struct {
	packersdk.Ui
	text string
	then func()
}

func (w *whenSaid) Say(text string) {
	if strings.Contains(text, w.text) {
		w.then()
	}

	w.Ui.Say(text)
}

// A base image may come with a host key, which sshd shows until cloud-init has installed the build's.
func TestTheBuildWaitsForItsHostKey(t *testing.T) {
	c := newCloud(t)
	c.deaf = true
	c.ssh.afterward = func() {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		c.ssh.show(hostKeyIn(c.started[0]["user_data"].(string)))
	}

	_, err := bake(t.Context(), t, prepared(t, c, nil))
	require.NoError(t, err)
	require.Positive(t, c.ssh.tried())
}

// cloud-init gets what the user wrote, as if it were alone, and after it the host key.
func TestUserDataKeepsItsForm(t *testing.T) {
	inner := "Content-Type: multipart/mixed; boundary=\"x\"\nMIME-Version: 1.0\n\n" +
		"--x\nContent-Type: text/x-shellscript\n\n#!/bin/sh\ntrue\n--x\n" +
		"Content-Type: text/cloud-config\n\n#cloud-config\nlocale: C\n--x--\n"

	for name, test := range map[string]struct {
		own  string
		want []string
	}{
		"none":          {own: ""},
		"blank":         {own: "\n"},
		"cloud-config":  {own: "#cloud-config\nlocale: C\n", want: []string{"#cloud-config\nlocale: C\n"}},
		"script":        {own: "#!/bin/sh\necho --x--\n", want: []string{"#!/bin/sh\necho --x--\n"}},
		"other letters": {own: "#cloud-config\nx: Grüße\n", want: []string{"#cloud-config\nx: Grüße\n"}},
		"lines of DOS":  {own: "#!/bin/sh\r\ntrue\r\n", want: []string{"#!/bin/sh\r\ntrue\r\n"}},
		"message":       {own: inner, want: []string{"#!/bin/sh\ntrue", "#cloud-config\nlocale: C"}},
		"packed":        {own: gzipped(t, "#!/bin/sh\ntrue\n"), want: []string{"#!/bin/sh\ntrue\n"}},
		"long": {
			own:  "#cloud-config\nx: é" + strings.Repeat("x", 9999) + "\n",
			want: []string{"#cloud-config\nx: é" + strings.Repeat("x", 9999) + "\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			file := t.TempDir() + "/user-data"
			writeFile(t, file, test.own)
			_, err := bake(t.Context(), t, prepared(t, c, object{"user_data_file": file}))
			require.NoError(t, err)

			parts, err := cloudinit.Parts([]byte(c.started[0]["user_data"].(string)))
			require.NoError(t, err)

			var got []string
			for _, part := range parts[:len(parts)-1] {
				got = append(got, string(part.Data))
			}

			require.Equal(t, test.want, got)
		})
	}
}

func gzipped(t *testing.T, text string) string {
	t.Helper()

	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	_, err := writer.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, writer.Close())

	return out.String()
}
