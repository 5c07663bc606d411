package roles_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// refusals collects what a program does not know.
type refusals []string

// check adds what the rules say of a name, if anything.
func (r *refusals) check(by rules, name string) {
	if what := by.refuse(name); what != "" {
		*r = append(*r, what)
	}
}

var (
	// haproxyFlags are options that take no value.
	haproxyFlags = strings.Fields("check disabled backup transparent ssl no-sslv3 no-tlsv10 no-tlsv11")

	// haproxyPairs are keywords of two words.
	haproxyPairs = []string{"option", "stats", "timeout", "http-check", "http-request", "log"}
)

// refuseHAProxy reads a configuration as HAProxy does, a line a keyword.
func refuseHAProxy(text string) []string {
	var refused refusals

	tell := func(kind, name string) {
		refused.check(haproxyRules[kind], name)
	}

	options := func(kind string, words []string) {
		for i := 0; i < len(words); i++ {
			tell(kind, words[i])

			if !slices.Contains(haproxyFlags, words[i]) {
				i++ // its value
			}
		}
	}

	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if !strings.HasPrefix(line, "\t") || len(words) == 0 || words[0] == "#" {
			continue
		}

		keyword := words[0]
		if slices.Contains(haproxyPairs, keyword) {
			keyword = strings.Join(words[:2], " ")
		}

		tell("line", keyword)

		switch keyword {
		case "stats socket", "bind":
			options("bind", words[strings.Count(keyword, " ")+2:])
		case "default-server":
			options(keyword, words[1:])
		case "server":
			options(keyword, words[3:])

		case "log stdout", "log /dev/log":
			if words[2] == "format" {
				tell("log format", words[3])
			}
		}
	}

	return refused
}

func refuseMariaDB(text string) []string {
	var refused refusals
	group := ""

	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)

		if strings.HasPrefix(line, "[") {
			group = strings.Trim(line, "[]")
			refused.check(mariadbRules["group"], group)

			continue
		}

		name, value, assigned := strings.Cut(line, " = ")
		if !assigned || strings.HasPrefix(line, "#") {
			continue
		}

		refused.check(mariadbRules[group], name)

		if name != "wsrep_provider_options" && name != "options" {
			continue
		}

		for option := range strings.SplitSeq(strings.Trim(value, `"`), ";") {
			key, _, _ := strings.Cut(option, "=")
			refused.check(mariadbRules["provider"], key)
		}
	}

	return refused
}

func refuseSQL(text string) []string {
	var refused refusals

	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] == "--" || words[0] == "others" {
			continue
		}

		statement := words[0] + " " + words[1]
		refused.check(mariadbRules["statement"], statement)
	}

	return refused
}

var nginxTable = regexp.MustCompile(`(?s)(geo|map) [^{]*\{[^}]*\}`)

func refuseNginx(text string) []string {
	var refused refusals
	text = nginxTable.ReplaceAllString(text, "$1 {\n}")

	for line := range strings.Lines(text) {
		for part := range strings.SplitSeq(line, "{ ") { // location ... { return 403; }
			words := strings.Fields(part)
			if len(words) == 0 || strings.Contains("#}", words[0][:1]) {
				continue
			}

			refused.check(nginxRules, words[0])
		}
	}

	return refused
}

func refuseFPM(text string) []string {
	var refused refusals

	for line := range strings.Lines(text) {
		name, _, assigned := strings.Cut(line, " = ")
		if !assigned || strings.HasPrefix(name, ";") {
			continue
		}

		name, _, _ = strings.Cut(name, "[")
		refused.check(fpmRules, name)
	}

	return refused
}

func refuseUnit(text string) []string {
	var refused refusals

	for line := range strings.Lines(text) {
		name, value, assigned := strings.Cut(strings.TrimSpace(line), "=")
		if !assigned || strings.HasPrefix(name, "#") {
			continue
		}

		if name == "Type" {
			name += "=" + value
		}

		refused.check(systemdRules, name)
	}

	return refused
}

func refusePHP(text string) (refused []string) {
	for _, name := range slices.Sorted(maps.Keys(phpNews)) {
		if found := phpNews[name].FindString(text); found != "" {
			refused = append(refused, fmt.Sprintf("PHP 7.0 does not know %s: %q", name, found))
		}
	}

	return refused
}

// refusedOn9 picks the rules for a text by its path.
func refusedOn9(path, text string) []string {
	switch {
	case strings.HasSuffix(path, "haproxy.cfg"):
		return refuseHAProxy(text)
	case strings.HasSuffix(path, ".cnf"):
		return refuseMariaDB(text)
	case strings.HasSuffix(path, ".sql"):
		return refuseSQL(text)
	case strings.HasSuffix(path, "/hornero") && strings.Contains(path, "nginx"):
		return refuseNginx(text)
	case strings.HasSuffix(path, "php-fpm.conf"):
		return refuseFPM(text)
	case strings.HasSuffix(path, ".service"):
		return refuseUnit(text)
	case strings.HasSuffix(path, ".php"):
		return refusePHP(text)
	}

	return nil
}
