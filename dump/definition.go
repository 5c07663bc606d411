package dump

import (
	"fmt"
	"slices"
	"strings"
)

// definition rewrites CREATE, ALTER, DROP and RENAME.
func (w *Rewriter) definition(statement []byte, first []token) ([]byte, error) {
	list := withoutMySQL8(tokens(statement))
	what, at := object(list)

	switch what {
	case "database", "schema":
		// The one that the rows go to is there, and is not dropped.
		w.changed("left out: databases are made by the stack")
		return nil, nil
	case "user", "role":
		w.changed("left out: accounts and their rights, which are the stack's own")
		return nil, nil
	case "table", "sequence", "index", "view", "trigger", "procedure", "function", "event":
	default:
		return nil, fmt.Errorf(
			"%w: %s %s is nothing that a site's dump has",
			ErrRefused,
			strings.ToUpper(first[0].text),
			strings.ToUpper(what),
		)
	}

	if disablesKeys(list) {
		return nil, nil
	}

	list, err := w.qualified(list, at)
	if err != nil {
		return nil, err
	}

	w.collations(list)

	switch {
	case first[0].is("drop"):
	case what == "table":
		err = w.table(list, at)
	case what == "view", what == "trigger", what == "procedure", what == "function", what == "event":
		list = w.definer(list, at)
	}

	return joined(list), err
}

// object is what a definition is about, and where in the statement the word stands.
func object(list []token) (what string, at int) {
	objects := []string{
		"database", "schema", "user", "role", "table", "sequence", "view", "trigger", "procedure", "function",
		"event", "index", "server", "tablespace", "package", "logfile",
	}

	for i, t := range list {
		if t.kind == word && slices.Contains(objects, strings.ToLower(t.text)) {
			return strings.ToLower(t.text), i
		}
	}

	return named(list, 1), 0
}

// withoutMySQL8 takes out what is for MySQL 8 and later alone: MariaDB's version numbers are greater, so it would read
// it, and it does not know what it says.
func withoutMySQL8(list []token) []token {
	var kept []token
	inside := false

	for _, t := range list {
		version := strings.TrimPrefix(t.text, "/*!")

		switch {
		case t.kind == opening && len(version) == 5 && version >= "80000" && t.text != version:
			inside = true
		case inside && t.kind == closing:
			inside = false
		case !inside:
			kept = append(kept, t)
		}
	}

	return kept
}

// disablesKeys tells of ALTER TABLE ... DISABLE KEYS, which InnoDB does not know and which stops a cluster's writes.
func disablesKeys(list []token) bool {
	for i, t := range list {
		if t.isOne("disable", "enable") && nextIs(list, i, "keys") {
			return true
		}
	}

	return false
}

// after is the place of the next token behind a place that says something.
func after(list []token, at int) int {
	for at++; at < len(list); at++ {
		if list[at].kind == word || list[at].kind == name || list[at].kind == text || list[at].kind == symbol {
			break
		}
	}

	return at
}

func nextIs(list []token, at int, keyword string) bool {
	next := after(list, at)
	return next < len(list) && list[next].is(keyword)
}

// qualified takes the database out of the defined thing's name.
func (w *Rewriter) qualified(list []token, at int) ([]token, error) {
	first := after(list, at)
	for first < len(list) && list[first].isOne("if", "not", "exists") {
		first = after(list, first)
	}

	dot := after(list, first)
	if dot >= len(list) || list[dot].text != "." {
		return list, nil
	}

	if err := w.own(list[first].named()); err != nil {
		return nil, err
	}

	return slices.Delete(slices.Clone(list), first, dot+1), nil
}

// definer puts the site's account in the place of whoever defined it there: that one may not exist here, and whoever
// imports may do more than a site's trigger should.
func (w *Rewriter) definer(list []token, at int) []token {
	own := token{word, "DEFINER=" + quoteName(w.target.User) + "@'%' "}

	for i, t := range list[:at] {
		if !t.is("definer") {
			continue
		}

		w.changed("the owner of views, triggers and routines is %s", w.target.User)

		return slices.Replace(slices.Clone(list), i, endOfAccount(list, i), own)
	}

	w.changed("the owner of views, triggers and routines is %s", w.target.User)

	before := at
	for i, t := range list[:at] {
		if t.is("sql") { // SQL SECURITY stands between the two
			before = i
			break
		}
	}

	return slices.Insert(slices.Clone(list), before, own)
}

// endOfAccount is the place behind DEFINER = user@host, where the host may be missing.
func endOfAccount(list []token, at int) int {
	equals := after(list, at)
	user := after(list, equals)
	end := user + 1

	// A bare @ is a word here, which may have the host's own letters behind it.
	if end < len(list) && list[end].kind == word && list[end].text == "@" {
		return end + 2
	}

	if end < len(list) && strings.HasPrefix(list[end].text, "@") {
		return end + 1
	}

	return end
}

func quoteName(text string) string { return "`" + strings.ReplaceAll(text, "`", "``") + "`" }
