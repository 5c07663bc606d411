package roles_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

func TestASampleIsOfASetting(t *testing.T) {
	text := "version: 1\nname: shop\nsummary: sells\npeers: client\nsettings: [shop.limit]\nsamples: {shop.limt: \"1\"}\n"
	_, err := roles.Load(fstest.MapFS{"shop/role.yaml": {Data: []byte(text)}}, "shop")
	require.ErrorContains(t, err, `shop/role.yaml:6:`)
	require.ErrorContains(t, err, `"shop.limt" is none of the manifest's settings`)
}

func TestCheckerNamesTheFile(t *testing.T) {
	check := []string{"php", "-l", "{file}", "--from={file}"}
	require.Equal(t, []string{"php", "-l", "/run/x", "--from=/run/x"}, roles.Checker(check, "/run/x"))
	require.Equal(t, "{file}", check[2])
}
