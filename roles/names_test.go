package roles_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

// declared is a manifest whose template "text" may ask for something of every kind.
var declared = shop(
	"templates: [{source: text, path: /etc/shop.conf}]",
	"settings: {title: {type: text}, wide: {type: boolean}}",
	"secrets: {shop.key: {}}",
	"reserved_ip: {secrets: [site.key]}",
	"watches: {store: db}",
	"variables: {debian-9: {unit: old.service}, all: {unit: shop.service}}",
	"limits: {debian-9: [fast]}",
)

func loadText(text string) error {
	_, err := roles.Load(folder(map[string]string{"shop/role.yaml": declared, "shop/text": text}), "shop")
	return err
}

func TestATemplateMayAskForWhatIsDeclared(t *testing.T) {
	for _, text := range []string{
		"",
		"# a \"word\" and {a brace}",
		`{{setting "title"}}{{if enabled "wide"}}{{secret "shop.key" | phpquote}}{{end}}`,
		`{{setting "drift"}} {{setting "drift_every"}} {{setting "reserved_ip.address"}} {{secret "site.key"}}`,
		`{{range slots "store"}}{{.Name}}{{end}}{{range peers "store"}}{{$.Address}}{{end}}`,
		`{{role "store"}} {{writer "store"}} {{lease "store" "night"}} {{join (expected "store") ","}}`,
		`{{var "unit"}}{{if not (can "fast")}}slow{{end}}{{pki "ca"}}`,
		`{{define "part"}}{{setting "title"}}{{end}}{{template "part"}}`,
		`{{index .Settings "title"}}`,
		`{{$name := "whatever"}}{{setting $name}}{{print "setting" "nothing"}}`,
	} {
		require.NoError(t, loadText(text), text)
	}
}

// undeclared are texts that ask for what nobody declares: where, and what for.
var undeclared = []struct{ text, place, what string }{
	{`{{setting "url"}}`, "1:11", `setting "url"`},
	{`{{enabled "narrow"}}`, "1:11", `setting "narrow"`},
	{`{{list "names"}}`, "1:8", `setting "names"`},
	{`{{secret "title"}}`, "1:10", `secret "title"`},
	{`{{range slots "db"}}{{end}}`, "1:15", `watched role "db"`},
	{`{{range peers "db"}}{{end}}`, "1:15", `watched role "db"`},
	{`{{range expected "db"}}{{end}}`, "1:18", `watched role "db"`},
	{`{{writer "db"}}`, "1:10", `watched role "db"`},
	{`{{role "db"}}`, "1:8", `watched role "db"`},
	{`{{lease "db" "night"}}`, "1:9", `watched role "db"`},
	{`{{var "path"}}`, "1:7", `variable "path"`},
	{`{{can "wide-load"}}`, "1:7", `limit "wide-load"`},
	{`{{pki "password"}}`, "1:7", `part of the node's identity "password"`},
	{`{{index .Settings "site.url"}}`, "1:19", `setting "site.url"`},
	{`{{with .Stack}}{{index $.Secrets "x"}}{{end}}`, "1:34", `secret "x"`},
	{"{{if 1}}\n{{else}}\n{{range slots \"store\"}}{{setting \"x\"}}{{end}}{{end}}", "3:34", `setting "x"`},
	{`{{printf "%s" (secret "x") | phpquote}}`, "1:23", `secret "x"`},
	{`{{with setting "x"}}{{.}}{{end}}`, "1:16", `setting "x"`},
	{`{{$a := setting "x"}}`, "1:17", `setting "x"`},
	{`{{define "part"}}{{setting "x"}}{{end}}`, "1:28", `setting "x"`},
	{`{{template "part" (setting "x")}}{{define "part"}}{{end}}`, "1:28", `setting "x"`},
	{"a\n\tb {{setting \"address\"}}", "2:14", `setting "address"`},
	{"{{/* ü */}}{{setting \"x\"}}", "1:23", `setting "x"`},
}

// Each is found at its place, however deep it stands.
func TestWhatNobodyDeclaresIsTold(t *testing.T) {
	for _, c := range undeclared {
		want := fmt.Sprintf("shop/text:%s: error: the manifest of role shop declares no %s", c.place, c.what)
		require.EqualError(t, loadText(c.text), want, c.text)
	}
}

func TestANearNameIsSuggested(t *testing.T) {
	for text, want := range map[string]string{
		`{{setting "tilte"}}`:    `1:11: error: the manifest declares no setting "tilte"; did you mean "title"?`,
		`{{secret "shop.keys"}}`: `1:10: error: the manifest declares no secret "shop.keys"; did you mean "shop.key"?`,
		`{{role "stores"}}`:      `1:8: error: the manifest declares no watched role "stores"; did you mean "store"?`,
		`{{can "fats"}}`:         `1:7: error: the manifest declares no limit "fats"; did you mean "fast"?`,
	} {
		require.EqualError(t, loadText(text), "shop/text:"+want, text)
	}
}

func TestABrokenTemplateIsTold(t *testing.T) {
	for text, want := range map[string]string{
		"a\nb {{nonsense}}":   `shop/text:2:1: error: not a valid template: function "nonsense" not defined`,
		"{{if true}}\n\n":     `shop/text:3:1: error: not a valid template: unexpected EOF`,
		"\n{{setting \"a}}\n": `shop/text:2:1: error: not a valid template: unterminated quoted string`,
	} {
		require.EqualError(t, loadText(text), want, text)
	}
}

// Those of templates and of the manifest come together.
func TestNamesOfTemplatesAndManifestAreToldTogether(t *testing.T) {
	_, err := roles.Load(folder(map[string]string{
		"shop/role.yaml": shop(
			"includes: [till]",
			"templates: [{source: text, path: /etc/shop.conf}]",
			"serves: [{name: http, port: 80, url: '{{setting \"a\"}}'}]",
		),
		"shop/text":      `{{setting "b"}}`,
		"till/role.yaml": piece("till", "templates: [{source: till.conf, path: /etc/till.conf}]"),
		"till/till.conf": "\n{{setting \"c\"}}",
	}), "shop")

	require.Equal(t, []string{
		`shop/role.yaml:7:38: serves[0].url: the manifest of role shop declares no setting "a"`,
		`shop/text:1:11: the manifest of role shop declares no setting "b"`,
		`till/till.conf:2:11: the manifest of role shop declares no setting "c"`,
	}, said(t, err))
}

// Who includes a piece declares what the piece asks for.
func TestAPieceMayAskForWhatTheRoleDeclares(t *testing.T) {
	files := map[string]string{
		"shop/role.yaml": shop("includes: [till]", "settings: {rate: {type: number}}"),
		"till/role.yaml": piece("till", "templates: [{source: till.conf, path: /etc/till.conf}]"),
		"till/till.conf": `{{setting "rate"}}`,
	}

	_, err := roles.LoadDir(folder(files))
	require.NoError(t, err)

	files["shop/role.yaml"] = shop("includes: [till]")

	_, err = roles.LoadDir(folder(files))
	require.EqualError(t, err, `till/till.conf:1:11: error: the manifest of role shop declares no setting "rate"`)
}
