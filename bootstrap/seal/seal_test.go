package seal_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/seal"
	"github.com/hornero/hornero/internal/record"
)

func TestAGoodImagePasses(t *testing.T) {
	r := newRoot(t)
	r.bake()

	result := r.verify()
	require.Empty(t, result.Faults)
	require.Len(t, result.Passed, 10)

	require.Equal(t,
		map[string]string{
			"openssh-server": "1:10.0p1-7",
			"shopd":          "2.0+b1",
			"libstdc++6":     "14.2",
		},
		result.Packages,
	)

	require.Equal(t, 3, result.Files)
	require.Positive(t, result.Size)
}

func TestAllFaultsComeInOneRun(t *testing.T) {
	r := newRoot(t)
	r.bake()

	for i := range 9 {
		r.write(fmt.Sprintf("/var/log/%d", i), "")
	}

	r.write("/etc/left.key", "-----BEGIN PRIVATE KEY-----\n")
	r.write("/usr/lib/hornero/roles/shop/shop.conf", "{{.Nonsense}}")

	result := r.verify()
	said := map[string]string{}

	for _, fault := range result.Faults {
		said[fault.Check] += fault.What + "\n"
	}

	require.Len(t, said, 4, said)

	require.Equal(t,
		"/usr/lib/hornero/roles/shop/shop.conf is not as the role has it\n",
		said["files"],
	)

	require.Equal(t,
		"log is in the image: /var/log/0, /var/log/1, /var/log/2 and 6 more\n",
		said["leftovers"],
	)

	require.Equal(t, "private key in /etc/left.key\n", said["secrets"])
	require.Contains(t, said["texts"], "can't evaluate field Nonsense")

	require.Equal(t,
		[]string{"packages", "units", "record", "identity", "permissions", "ports"},
		result.Passed,
	)
}

// Nothing can be tried of a role that cannot be read: the place is told instead.
func TestABrokenTemplateIsTold(t *testing.T) {
	r := newRoot(t)
	r.bake()
	r.write("/usr/lib/hornero/roles/shop/shop.conf", "listen\n{{nonsense}}\n")

	_, err := r.image().Verify(t.Context())
	require.EqualError(t, err, `shop/shop.conf:2:1: error: not a valid template: function "nonsense" not defined`)
}

// What a role's templates may ask for, the sample node has.
func TestTheSampleHasAllThatTemplatesMayAsk(t *testing.T) {
	const question = `{{range .Databases}}{{.Name}} {{.User}} {{.Grants}} {{secret .Secret | sqlquote}}{{end}}
writer {{writer "store"}}, drift {{setting "drift"}} every {{setting "drift_every"}}
address {{setting "reserved_ip.address"}}, key {{secret "site.key"}}
`

	r := newRoot(t)
	r.write("/usr/lib/hornero/roles/shop/shop.conf", question)
	r.edit(shopRole, "includes:", "reserved_ip: {secrets: [site.key]}\nincludes:")
	r.edit(shopRole, "-q, listen", `-q, "^address 192.0.2.9, key -----BEGIN"`)
	r.bake()
	require.Empty(t, r.verify().Faults)

	r.edit(shopRole, `"^address 192.0.2.9, key -----BEGIN"`, "^sample sample ALL PRIVILEGES '.* it''s")
	require.Empty(t, r.verify().Faults)

	// Who begins a stack knows no writer.
	r.edit(shopRole, "^sample sample ALL PRIVILEGES '.* it''s", `"^writer db-1, drift report every"`)
	faults := r.verify().Faults
	require.Len(t, faults, 1)
	require.Contains(t, faults[0].What, "/etc/shop/shop.conf is refused by grep for the first node of a stack")
}

func TestAPackagesOwnFileInATemplatesPlaceIsNoLeftover(t *testing.T) {
	r := newRoot(t)
	r.bake()
	r.write("/etc/shop/shop.conf", "as packaged")
	r.write("/var/lib/dpkg/info/shopd.list", "/.\n/etc\n/etc/shop\n/etc/shop/shop.conf\n")
	require.Empty(t, r.verify().Faults)
}

func TestAnExcludedPackageIsTold(t *testing.T) {
	r := newRoot(t)
	r.edit(
		"/var/lib/dpkg/status",
		"Package: old\nStatus: deinstall ok config-files",
		"Package: apache2\nStatus: install ok installed",
	)

	r.bake()

	require.Equal(t,
		"package apache2 is installed though role shop excludes it",
		r.verify().Faults[0].What,
	)
}

func TestAnImageWithoutARecordCannotBeTested(t *testing.T) {
	_, err := newRoot(t).image().Verify(t.Context())
	require.ErrorContains(t, err, "read the image's record: ")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestTheRecordTellsAllThatTheImageIsMadeOf(t *testing.T) {
	r := newRoot(t)
	require.NoError(t, os.Rename(r.at("/usr/sbin/shopd"), r.at("/usr/sbin/shopd-2.0")))
	require.NoError(t, os.Symlink("shopd-2.0", r.at("/usr/sbin/shopd")))
	require.NoError(t, os.Chmod(r.at("/usr/share/doc/key.txt"), 0o600))

	sum := strings.Repeat("0", 32)
	sums := sum + "  usr/share/doc/key.txt\n" + sum + "  usr/share/doc/left-out\n"
	r.write("/var/lib/dpkg/info/shopd.md5sums", sums)
	r.bake()

	data, err := os.ReadFile(r.at(record.Path))
	require.NoError(t, err)

	var image record.Image
	require.NoError(t, json.Unmarshal(data, &image))

	require.Equal(t,
		map[string]string{
			"openssh-server": "1:10.0p1-7",
			"shopd":          "2.0+b1",
			"libstdc++6":     "14.2",
		},
		image.Packages,
	)

	require.Equal(t,
		map[string]string{"packer-plugin-hornero": "0.1.0", "hornero-bootstrap": "0.2.0"},
		image.Programs,
	)

	require.Equal(t, map[string]string{"role": "cd"}, image.Inputs)

	digest := func(text string) string {
		return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
	}
	require.Equal(t, map[string]string{
		"/bin/kill":                             digest("a third"),
		"/usr/lib/systemd/system/shopd.service": digest(shopUnit),
		"/usr/sbin/shopd":                       digest("another program"),
		"/usr/sbin/shopd-2.0":                   digest("another program"),
	}, image.Daemons)

	require.Equal(t, "link shopd-2.0", image.Standing["/usr/sbin/shopd"])
	require.Equal(t, "absent", image.Standing["/usr/share/doc/left-out"])

	require.Regexp(t,
		"^0600 [0-9]+:[0-9]+ sha256:"+digest("-----BEGIN PRIVATE KEY-----\n")+"$",
		image.Standing["/usr/share/doc/key.txt"],
		"the image's bytes, not the package's",
	)
}

func TestTheListOfFilesIsOfAll(t *testing.T) {
	r := newRoot(t)
	require.NoError(t, os.Symlink("../motd", r.at("/etc/shop-link")))

	image := &seal.Image{Root: r.dir}
	read := func() record.Contents {
		require.NoError(t, image.WriteContents())

		data, err := os.ReadFile(r.at(record.ContentsPath))
		require.NoError(t, err)

		contents, err := record.UnpackContents(data)
		require.NoError(t, err)

		return contents
	}

	first := read()
	who := fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())
	require.Equal(t,
		fmt.Sprintf("%x 0640 %s", sha256.Sum256([]byte("welcome\n")), who),
		first["/etc/motd"],
	)

	require.Equal(t, "-> ../motd 0777 "+who, first["/etc/shop-link"])
	require.Equal(t, "folder 0755 "+who, first["/etc"])
	require.NotContains(t, first, record.ContentsPath)
	require.Equal(t, first, read(), "times are not in it")

	r.write("/etc/new", "x")
	require.NoError(t, os.Chmod(r.at("/etc/motd"), 0o644))

	differ, _ := record.DiffContents(record.Image{}, record.Image{}, first, read())
	names := []string{}

	for _, change := range differ {
		names = append(names, change.Name)
	}

	require.Equal(t, []string{"/etc/motd", "/etc/new"}, names)
}
