package roles_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

func TestAProgramIsOneOfTheRelease(t *testing.T) {
	for _, c := range []struct {
		lines string
		want  string
	}{
		{
			`programs: [{name: helper}]`,
			`5:19: programs[0].name: must be a program of Hornero's release, as in hornero-media, got "helper"; ` +
				`a program of your own is one of files`,
		},

		{
			`programs: [{name: hornero-bootstrap}]`,
			`5:19: programs[0].name: every image has the bootstrap already; take it out here`,
		},

		{
			`programs: [{name: hornero-a, path: usr/a}]`,
			`5:36: programs[0].path: must be a clean absolute path, got "usr/a"`,
		},

		{
			`programs: [{name: hornero-a, only: [debian-13], except: [debian-9]}]`,
			`5:57: programs[0].except: cannot stand beside only; keep one`,
		},

		{
			`programs: [{name: hornero-a}, {name: hornero-a}]`,
			`5:31: programs[1].path: programs[0] is at /usr/lib/hornero/hornero-a already, on debian-9`,
		},
	} {
		_, err := roles.Load(folder(map[string]string{"shop/role.yaml": shop(c.lines)}), "shop")
		require.Contains(t, said(t, err), "shop/role.yaml:"+c.want, c.lines)
	}
}

func TestAPiecesProgramsAreTheRoles(t *testing.T) {
	manifest, err := roles.Load(folder(map[string]string{
		"shop/role.yaml": shop(`includes: [piece]`, `programs: [{name: hornero-b}]`),
		"piece/role.yaml": "version: 1\nname: piece\nabstract: true\n" +
			"programs: [{name: hornero-a, except: [debian-9]}]\n",
	}), "shop")
	require.NoError(t, err)

	targets := func(release string) []string {
		var found []string
		for _, program := range manifest.On(release).Programs {
			found = append(found, program.Target())
		}

		return found
	}

	require.Equal(t,
		[]string{"/usr/lib/hornero/hornero-a", "/usr/lib/hornero/hornero-b"},
		targets("debian-13"),
	)
	require.Equal(t, []string{"/usr/lib/hornero/hornero-b"}, targets("debian-9"))
}
