package roles_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/hornero/hornero/roles"
)

// parsed is what a setting makes of a value as a person writes it in YAML: its text, or what is wrong.
func parsed(t *testing.T, setting roles.Setting, written string) (string, error) {
	t.Helper()
	document := struct{ Value roles.Value }{}
	require.NoError(t, yaml.Unmarshal([]byte("value: "+written), &document))

	return setting.Parse(document.Value)
}

func number(text string) *roles.Value { return &roles.Value{Scalar: text, Kind: "number"} }

func aList(items ...string) *roles.Value { return &roles.Value{Kind: "list", Items: items} }

func word(text string) *roles.Value { return &roles.Value{Scalar: text, Kind: "text"} }

var (
	aText    = roles.Setting{Type: roles.TypeText}
	aName    = roles.Setting{Type: roles.TypeText, Match: "[a-z]+|[0-9]+", Required: true}
	aMethod  = roles.Setting{Type: roles.TypeText, OneOf: []string{"copy", "stream", "7"}, Default: word("copy")}
	someText = roles.Setting{Type: roles.TypeText, Required: true}
	lines    = roles.Setting{Type: roles.TypeLines}
	count    = roles.Setting{Type: roles.TypeNumber, Min: number("-2"), Max: number("40")}
	aPort    = roles.Setting{Type: roles.TypeNumber, Refused: map[string]string{"25": "nobody may reach it"}}
	onOff    = roles.Setting{Type: roles.TypeBoolean}
	span     = roles.Setting{Type: roles.TypeDuration, Min: word("2s"), Max: word("1h")}
	size     = roles.Setting{Type: roles.TypeSize, Min: word("2K"), Max: word("3M")}
	anySize  = roles.Setting{Type: roles.TypeSize}
	address  = roles.Setting{Type: roles.TypeURL}
	email    = roles.Setting{Type: roles.TypeEmail}
	list     = roles.Setting{Type: roles.TypeList}
	lettered = roles.Setting{Type: roles.TypeList, Match: "[a-z]+"}
)

// readValues are values that settings take, and what templates see of them.
var readValues = []struct {
	setting roles.Setting
	written string
	want    string
}{
	{aText, `Tea & "cakes" $HOME {x} ü`, `Tea & "cakes" $HOME {x} ü`},
	{aText, "12", "12"},
	{aText, "true", "true"},
	{aText, `""`, ""},
	{aText, "~", ""},
	{aName, "abc", "abc"},
	{aName, "0815", "0815"},
	{aMethod, "stream", "stream"},
	{aMethod, "7", "7"},
	{lines, "|\n  a = 1\n  \tb = \"{{x}}\"\n", "a = 1\n\tb = \"{{x}}\""},
	{lines, "one", "one"},
	{lines, `""`, ""},
	{count, "-2", "-2"},
	{count, "40", "40"},
	{count, "0", "0"},
	{onOff, "true", "true"},
	{onOff, "True", "true"},
	{onOff, "FALSE", "false"},
	{span, "2s", "2s"},
	{span, "59m59.5s", "59m59.5s"},
	{size, "2048", "2048"},
	{size, "3M", "3M"},
	{anySize, "8589934591G", "8589934591G"},
	{address, "https://shop.example.org", "https://shop.example.org"},
	{address, "http://10.0.0.8:8080/a/b_c~d/", "http://10.0.0.8:8080/a/b_c~d/"},
	{address, `""`, ""},
	{email, "ann+shop@example.org", "ann+shop@example.org"},
	{list, "[a, 2, true, two words]", "a\n2\ntrue\ntwo words"},
	{list, "[]", ""},
	{lettered, "[a, bc]", "a\nbc"},
	{lettered, "[]", ""},
}

func TestASettingIsRead(t *testing.T) {
	for _, c := range readValues {
		got, err := parsed(t, c.setting, c.written)
		require.NoError(t, err, "%s %s", c.setting.Type, c.written)
		require.Equal(t, c.want, got)
	}
}

// refusedValues are values that no setting takes, and what is said of them.
var refusedValues = []struct {
	setting roles.Setting
	written string
	want    string
}{
	{aText, "[a]", `must be text, got a list`},
	{aText, "{a: b}", `must be text, got a mapping`},
	{aText, `"a\nb"`, `must be one line without control characters, got "a\nb"`},
	{aText, `"a\x7fb"`, `must be one line without control characters, got "a\x7fb"`},
	{someText, `""`, `must not be empty`},
	{someText, "~", `must not be empty`},
	{aName, "abc7", `must match [a-z]+|[0-9]+, got "abc7"`},
	{aName, `"abc\nx"`, `must be one line without control characters, got "abc\nx"`},
	{aMethod, "streem", `there is no "streem"; did you mean "stream"?`},
	{aMethod, "by pigeon", `there is no "by pigeon"; write one of copy, stream, 7`},
	{aMethod, `""`, `must not be empty`},
	{lines, `"a\r\nb"`, `must have no control characters but tabs, got "a\r\nb"`},
	{lines, `"a\0b"`, `must have no control characters but tabs, got "a\x00b"`},
	{roles.Setting{Type: roles.TypeLines, Required: true}, "|\n\n", `must not be empty`},
	{count, "-3", `must be at least -2, got -3`},
	{count, "41", `must be at most 40, got 41`},
	{aPort, "25", `must not be 25: nobody may reach it`},
	{count, "010", `must be a whole number, got "010"`},
	{count, "0x10", `must be a whole number, got "0x10"`},
	{count, "1_0", `must be a whole number, got "1_0"`},
	{count, "3.9", `must be a whole number, got "3.9"`},
	{count, `"3"`, `must be a whole number, got "3"`},
	{count, "99999999999999999999", `must be a whole number, got "99999999999999999999"`},
	{count, "~", `must be a whole number, got ""`},
	{onOff, "yes", `must be true or false, got "yes"`},
	{onOff, `"true"`, `must be true or false, got "true"`},
	{onOff, "1", `must be true or false, got "1"`},
	{span, "1.9s", `must be at least 2s, got 1.9s`},
	{span, "61m", `must be at most 1h, got 61m`},
	{span, "30", `must be a duration, as in 90s or 6h, got "30"`},
	{span, "-5m", `must be a duration, as in 90s or 6h, got "-5m"`},
	{size, "2047", `must be at least 2K, got 2047`},
	{size, "1G", `must be at most 3M, got 1G`},
	{size, "0", `must be a size, as in 64M, got "0"`},
	{size, "64m", `must be a size, as in 64M, got "64m"`},
	{size, "64 M", `must be a size, as in 64M, got "64 M"`},
	{anySize, "8589934592G", `must be a size, as in 64M, got "8589934592G"`},
	{anySize, "99999999999999999999", `must be a size, as in 64M, got "99999999999999999999"`},
	{email, "Ann <ann@example.org>", `must be a mail address, as in admin@example.org, got "Ann <ann@example.org>"`},
	{email, "ann", `must be a mail address, as in admin@example.org, got "ann"`},
	{list, "a", `must be a list, got "a"`},
	{list, "[a, [b]]", `must be a list of words of one line each, got ""`},
	{list, `["a\nb"]`, `must be a list of words of one line each, got "a\nb"`},
	{lettered, "[a, b-c]", `must match [a-z]+, got "b-c"`},
}

func TestAWrongValueIsTold(t *testing.T) {
	for _, c := range refusedValues {
		_, err := parsed(t, c.setting, c.written)
		require.EqualError(t, err, c.want, "%s %s", c.setting.Type, c.written)
	}
}

// noAddresses are texts that an address of a site must not be.
var noAddresses = []string{
	"shop.example.org",
	"//shop.example.org",
	"ftp://shop.example.org",
	"HTTPS://shop.example.org",
	"https:shop.example.org",
	"https://",
	"https:///path",
	"https://user:password@shop.example.org",
	"https://user@shop.example.org",
	"https://shop.example.org?a=b",
	"https://shop.example.org/?",
	"https://shop.example.org/#",
	"https://shop.example.org/#top",
	"https://bücher.example.org",
	"https://shop.example.org/bücher",
	"https://shop.example.org/a%20b",
	"https://shop.example.org/a b",
	"https://shop.example.org//a",
	"https://shop.example.org/it's",
	`https://shop.example.org/"`,
	"https://shop.example.org/\n",
	"https://shop.example.org\nhttps://b.example.org",
	"https://shop.example.org\" $x { default 1; }",
	"https://shop.example.org/;",
	"https://shop.example.org/$request_uri",
	"https://shop.example.org:080",
	"https://shop.example.org:123456",
	"https://shop.example.org:",
	"https://[::1]/",
	"https://-shop.example.org",
	" https://shop.example.org",
}

// An address is written into configurations as it is: what means something there is no part of one.
func TestOnlyAPlainAddressIsOne(t *testing.T) {
	for _, text := range noAddresses {
		_, err := address.Parse(roles.Value{Scalar: text, Kind: "text"})
		require.ErrorContains(t, err, "must be a full address of letters, digits and . - _ / only", text)
	}
}

// silent are settings of which nobody says anything, and what they are then.
var silent = []struct {
	setting          roles.Setting
	fallback, sample string
}{
	{aText, "", "sample"},
	{lines, "", ""},
	{onOff, "false", "false"},
	{roles.Setting{Type: roles.TypeNumber}, "0", "0"},
	{roles.Setting{Type: roles.TypeDuration}, "0s", "0s"},
	{anySize, "0", "0"},
	{list, "", ""},
	{address, "", "https://www.example.org"},
	{email, "", "admin@example.org"},
	{aMethod, "copy", "copy"},
	{roles.Setting{Type: roles.TypeText, OneOf: []string{"b", "a"}, Required: true}, "", "b"},
	{roles.Setting{Type: roles.TypeNumber, Default: number("7")}, "7", "7"},
	{roles.Setting{Type: roles.TypeNumber, Default: number("7"), Sample: "9"}, "7", "9"},
	{roles.Setting{Type: roles.TypeList, Default: aList("x", "y")}, "x\ny", "x\ny"},
}

func TestWhatASettingIsWhenNobodySaysAnything(t *testing.T) {
	for _, c := range silent {
		require.Equal(t, c.fallback, c.setting.Fallback(), "%+v", c.setting)
		require.Equal(t, c.sample, c.setting.SampleValue(), "%+v", c.setting)
	}
}

// Templates read a boolean and a list by functions of their own.
func TestTemplatesReadSettingsByType(t *testing.T) {
	manifest, err := loadShop(shop(`settings: {fast: {type: boolean}, names: {type: list}}`))
	require.NoError(t, err)

	for _, c := range []struct{ fast, names, want string }{
		{fast: "True", names: "[a, b c]", want: "fast a|b c"},
		{fast: "false", names: "[]", want: "slow "},
	} {
		fast, err := parsed(t, manifest.Settings["fast"], c.fast)
		require.NoError(t, err)

		names, err := parsed(t, manifest.Settings["names"], c.names)
		require.NoError(t, err)

		const question = `{{if enabled "fast"}}fast{{else}}slow{{end}} {{join (list "names") "|"}}`
		facts := roles.Facts{Settings: map[string]string{"fast": fast, "names": names}}
		text, err := manifest.RenderText("x", question, facts)
		require.NoError(t, err)
		require.Equal(t, c.want, string(text))
	}
}

// Sizes and durations become the numbers that daemons count in.
func TestTemplatesCountBytesAndSeconds(t *testing.T) {
	manifest, err := loadShop(shop(`settings: {upload: {type: size}, patience: {type: duration}}`))
	require.NoError(t, err)

	for _, c := range []struct{ upload, patience, want string }{
		{upload: "64M", patience: "1h1s", want: "68157440 3601"},
		{upload: "7", patience: "1ms", want: "1048583 1"},
		{upload: "0", patience: "0s", want: "1048576 0"},
	} {
		const question = `{{add (bytes (setting "upload")) 1048576}} {{seconds (setting "patience")}}`
		facts := roles.Facts{Settings: map[string]string{"upload": c.upload, "patience": c.patience}}
		text, err := manifest.RenderText("x", question, facts)
		require.NoError(t, err)
		require.Equal(t, c.want, string(text))
	}

	_, err = manifest.RenderText("x", `{{bytes "much"}}`, roles.Facts{})
	require.ErrorContains(t, err, `"much" is no size`)
}

func TestAnAliasIsWhatItStandsFor(t *testing.T) {
	document := struct{ A, B roles.Value }{}
	require.NoError(t, yaml.Unmarshal([]byte("a: &first one\nb: [*first, two]\n"), &document))

	text, err := list.Parse(document.B)
	require.NoError(t, err)
	require.Equal(t, "one two", strings.ReplaceAll(text, "\n", " "))
}
