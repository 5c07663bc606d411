//go:build root

package clients_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// thing is what doctl prints of anything with `--output json`.
type thing map[string]any

func (t thing) id() string {
	if number, ok := t["id"].(float64); ok {
		return strconv.Itoa(int(number))
	}

	return fmt.Sprint(t["id"])
}

// doctl runs doctl and returns the things that it prints.
func (b *bench) doctl(args ...string) []thing {
	b.t.Helper()

	out := b.run(
		b.root,
		b.client("doctl"),
		append(args, "--output", "json")...,
	)
	if out == "" {
		return nil
	}

	var things []thing
	if json.Unmarshal([]byte(out), &things) != nil {
		things = []thing{{}}
		require.NoErrorf(
			b.t,
			json.Unmarshal([]byte(out), &things[0]),
			"doctl %v\n%s",
			args,
			out,
		)
	}

	return things
}

// do runs a command of doctl that prints nothing.
func (b *bench) do(args ...string) {
	b.t.Helper()
	b.run(b.root, b.client("doctl"), args...)
}

func TestDoctl(t *testing.T) {
	b := newBench(t)
	require.Equal(t, "active", b.doctl("account", "get")[0]["status"])
	require.NotEmpty(t, b.doctl("compute", "region", "list"))
	require.NotEmpty(t, b.doctl("compute", "size", "list"))

	require.Equal(t,
		"debian-13-x64",
		b.doctl("compute", "image", "get", "debian-13-x64")[0]["slug"],
	)

	key := b.importKey()
	droplet := b.doctl("compute", "droplet", "create", "web-1", "--wait", "--region", "fra1", "--size", "s-1vcpu-1gb",
		"--image", "debian-13-x64", "--ssh-keys", key["fingerprint"].(string), "--tag-names", "web",
		"--user-data", "#cloud-config\n{}\n")[0]
	require.Equal(t, "active", droplet["status"])
	t.Run("Droplet", func(t *testing.T) {
		b.within(t).dropletLife(droplet)
	})
	t.Run("reserved IP", func(t *testing.T) {
		b.within(t).reservedIPLife(droplet)
	})
	t.Run("load balancer", func(t *testing.T) {
		b.within(t).balancerLife()
	})
	t.Run("volume", func(t *testing.T) {
		b.within(t).volumeLife(droplet)
	})
	t.Run("the rest", func(t *testing.T) {
		b.within(t).smallLives(droplet)
	})

	b.do("compute", "droplet", "delete", droplet.id(), "--force")

	require.Eventually(t,
		func() bool {
			return len(b.doctl("compute", "droplet", "list")) == 0
		},
		waitFor,
		tick,
	)

	b.do("compute", "ssh-key", "delete", key.id(), "--force")
	require.Empty(t, b.doctl("compute", "ssh-key", "list"))
}

func (b *bench) importKey() thing {
	folder := b.t.TempDir()
	file := filepath.Join(folder, "id")
	b.run(folder, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file)

	key := b.doctl("compute", "ssh-key", "import", "me", "--public-key-file", file+".pub")[0]
	require.Equal(
		b.t,
		key.id(),
		b.doctl("compute", "ssh-key", "get", key["fingerprint"].(string))[0].id(),
	)

	return key
}

// dropletLife is power, snapshot, image and resize.
func (b *bench) dropletLife(droplet thing) {
	id := droplet.id()
	require.Equal(
		b.t,
		id,
		b.doctl("compute", "droplet", "list", "--tag-name", "web")[0].id(),
	)

	for _, args := range [][]string{
		{"power-off"}, {"resize", "--size", "s-1vcpu-2gb"}, {"power-on"}, {"rename", "--droplet-name", "web-one"},
		{"snapshot", "--snapshot-name", "first"}, {"rebuild", "--image", "debian-13-x64"}, {"reboot"},
	} {
		action := b.doctl(append(
			[]string{
				"compute",
				"droplet-action",
				args[0],
				id,
				"--wait",
			},
			args[1:]...,
		)...)[0]
		require.Equalf(b.t, "completed", action["status"], "%v", args)
	}

	now := b.doctl("compute", "droplet", "get", id)[0]
	require.Equal(b.t, "web-one", now["name"])
	require.Equal(b.t, "s-1vcpu-2gb", now["size_slug"])
	require.Equal(b.t, "active", now["status"])

	snapshot := b.doctl("compute", "snapshot", "list", "--resource", "droplet")[0]
	require.Equal(b.t, "first", snapshot["name"])

	require.Equal(
		b.t,
		"completed",
		b.doctl(
			"compute",
			"image-action",
			"transfer",
			snapshot.id(),
			"--region",
			"nyc3",
			"--wait",
		)[0]["status"],
	)

	require.Contains(
		b.t,
		b.doctl("compute", "image", "get", snapshot.id())[0]["regions"],
		"nyc3",
	)

	twin := b.doctl(
		"compute",
		"droplet",
		"create",
		"twin",
		"--wait",
		"--region",
		"nyc3",
		"--size",
		"s-1vcpu-2gb",
		"--image",
		snapshot.id(),
	)[0]
	require.Equal(b.t, "active", twin["status"])
	b.do("compute", "droplet", "delete", twin.id(), "--force")
	b.do("compute", "snapshot", "delete", snapshot.id(), "--force")
	require.Empty(b.t, b.doctl("compute", "snapshot", "list"))
}

func (b *bench) reservedIPLife(droplet thing) {
	address := b.doctl("compute", "reserved-ip", "create", "--region", "fra1")[0]["ip"].(string)
	b.doctl("compute", "reserved-ip-action", "assign", address, droplet.id())

	held := func() bool {
		d, _ := b.doctl("compute", "reserved-ip", "get", address)[0]["droplet"].(map[string]any)
		return d != nil && thing(d).id() == droplet.id()
	}
	require.Eventually(b.t, held, waitFor, tick)

	require.Eventually(b.t, func() bool {
		_, _, err := b.try(
			b.root,
			b.client("doctl"),
			"compute",
			"reserved-ip-action",
			"unassign",
			address,
		)

		return err == nil
	}, waitFor, tick)

	require.Eventually(b.t, func() bool { return !held() }, waitFor, tick)
	b.do("compute", "reserved-ip", "delete", address, "--force")
	require.Empty(b.t, b.doctl("compute", "reserved-ip", "list"))
}

func (b *bench) balancerLife() {
	balancer := b.doctl("compute", "load-balancer", "create", "--wait",
		"--name", "front", "--region", "fra1", "--tag-name", "web",
		"--forwarding-rules", "entry_protocol:http,entry_port:80,target_protocol:http,target_port:80")[0]
	require.Equal(b.t, "active", balancer["status"])

	b.do(
		"compute",
		"load-balancer",
		"add-forwarding-rules",
		balancer.id(),
		"--forwarding-rules",
		"entry_protocol:tcp,entry_port:8080,target_protocol:tcp,target_port:8080",
	)

	require.Len(
		b.t,
		b.doctl("compute", "load-balancer", "get", balancer.id())[0]["forwarding_rules"],
		2,
	)

	b.do("compute", "load-balancer", "delete", balancer.id(), "--force")
	require.Empty(b.t, b.doctl("compute", "load-balancer", "list"))
}

func (b *bench) volumeLife(droplet thing) {
	volume := b.doctl(
		"compute",
		"volume",
		"create",
		"data",
		"--region",
		"fra1",
		"--size",
		"1GiB",
		"--fs-type",
		"ext4",
	)[0]

	require.Equal(
		b.t,
		"completed",
		b.doctl(
			"compute",
			"volume-action",
			"attach",
			volume.id(),
			droplet.id(),
			"--wait",
		)[0]["status"],
	)

	require.Equal(
		b.t,
		[]any{volume["id"]},
		b.doctl("compute", "droplet", "get", droplet.id())[0]["volume_ids"],
	)

	b.doctl("compute", "volume", "snapshot", volume.id(), "--snapshot-name", "kept")

	snapshot := b.doctl("compute", "snapshot", "list", "--resource", "volume")[0]
	require.Equal(b.t, "kept", snapshot["name"])

	require.Equal(
		b.t,
		"completed",
		b.doctl(
			"compute",
			"volume-action",
			"detach",
			volume.id(),
			droplet.id(),
			"--wait",
		)[0]["status"],
	)

	b.do("compute", "snapshot", "delete", snapshot.id(), "--force")
	b.do("compute", "volume", "delete", volume.id(), "--force")
	require.Empty(b.t, b.doctl("compute", "volume", "list"))
}

// smallLives are the things that no Droplet is needed for, or that only name one.
func (b *bench) smallLives(droplet thing) {
	tag := b.doctl("compute", "tag", "create", "extra")[0]
	require.Equal(b.t, "extra", tag["name"])
	b.do("compute", "droplet", "tag", droplet.id(), "--tag-name", "extra")

	require.Contains(
		b.t,
		b.doctl("compute", "droplet", "get", droplet.id())[0]["tags"],
		"extra",
	)

	b.do("compute", "tag", "delete", "extra", "--force")

	vpc := b.doctl(
		"vpcs",
		"create",
		"--name",
		"inner",
		"--region",
		"fra1",
		"--ip-range",
		"10.77.0.0/24",
	)[0]

	require.Equal(
		b.t,
		"10.77.0.0/24",
		b.doctl("vpcs", "get", vpc.id())[0]["ip_range"],
	)

	b.do("vpcs", "delete", vpc.id(), "--force")

	firewall := b.doctl("compute", "firewall", "create", "--name", "wall", "--tag-names", "web",
		"--inbound-rules", "protocol:tcp,ports:22,address:0.0.0.0/0",
		"--outbound-rules", "protocol:tcp,ports:all,address:0.0.0.0/0")[0]
	require.Equal(
		b.t,
		firewall.id(),
		b.doctl("compute", "firewall", "list-by-droplet", droplet.id())[0].id(),
	)

	b.do("compute", "firewall", "delete", firewall.id(), "--force")

	b.doctl("compute", "domain", "create", "example.com", "--ip-address", "198.51.100.200")

	record := b.doctl(
		"compute",
		"domain",
		"records",
		"create",
		"example.com",
		"--record-type",
		"CNAME",
		"--record-name",
		"www",
		"--record-data",
		"example.com.",
	)[0]

	b.doctl(
		"compute",
		"domain",
		"records",
		"update",
		"example.com",
		"--record-id",
		record.id(),
		"--record-ttl",
		"60",
	)

	require.NotEmpty(b.t, b.doctl("compute", "domain", "records", "list", "example.com"))
	b.do("compute", "domain", "delete", "example.com", "--force")

	project := b.doctl(
		"projects",
		"create",
		"--name",
		"site",
		"--purpose",
		"Website or blog",
		"--environment",
		"Staging",
	)[0]

	b.doctl(
		"projects",
		"resources",
		"assign",
		project.id(),
		"--resource",
		"do:droplet:"+droplet.id(),
	)

	require.Len(
		b.t,
		b.doctl("projects", "resources", "list", project.id()),
		1,
	)

	b.doctl("projects", "resources", "assign", "default", "--resource", "do:droplet:"+droplet.id())
	b.do("projects", "delete", project.id(), "--force")

	certificate := b.certificate()
	require.Equal(b.t, "verified", certificate["state"])
	b.do("compute", "certificate", "delete", certificate.id(), "--force")
}

// certificate uploads one for example.com, signed by itself.
func (b *bench) certificate() thing {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b.t, err)

	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"example.com"},
		NotBefore:    time.Now(),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}

	leaf, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(b.t, err)

	key, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(b.t, err)

	folder := b.write(
		"leaf.pem",
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf})),
	)

	require.NoError(b.t, os.WriteFile(
		filepath.Join(folder, "key.pem"),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		0o600,
	))

	return b.doctl("compute", "certificate", "create", "--name", "own", "--type", "custom",
		"--private-key-path", filepath.Join(folder, "key.pem"),
		"--leaf-certificate-path", filepath.Join(folder, "leaf.pem"))[0]
}
