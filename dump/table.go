package dump

import (
	"fmt"
	"slices"
	"strings"
)

// converted are engines whose tables become InnoDB's: their rows stay on one node of a cluster.
var converted = []string{
	"myisam", "aria", "maria", "isam",
	"memory", "heap",
	"archive", "csv", "bdb",
	"rocksdb", "tokudb",
	"ndb", "ndbcluster",
}

// dropped are table options that InnoDB does not know, or that name a place on another server's disk.
var dropped = []string{
	"transactional", "page_checksum", "checksum", "table_checksum", "delay_key_write", "pack_keys", "insert_method",
	"key_block_size", "encryption", "autoextend_size", "tablespace", "secondary_engine", "connection",
}

// innodbFormats are the row formats that InnoDB has (MariaDB's manual, "InnoDB Row Formats Overview").
var innodbFormats = []string{"default", "dynamic", "compact", "redundant", "compressed"}

// table rewrites the options of a table: CREATE TABLE's behind its columns, ALTER TABLE's wherever they stand.
func (w *Rewriter) table(list []token, at int) error {
	if temporary(list[:at]) {
		return nil
	}

	table := named(list, after(list, at))
	creates := list[after(list, -1)].is("create")
	depth := 0

	for i, t := range list {
		switch {
		case t.text == "(":
			depth++
		case t.text == ")":
			depth--
		case creates && depth > 0, t.kind != word:
		default:
			if err := w.option(list, i, table); err != nil {
				return err
			}
		}
	}

	return nil
}

func temporary(list []token) bool {
	return slices.ContainsFunc(list, func(t token) bool { return t.is("temporary") })
}

// option rewrites the option that begins at a place, if one does.
func (w *Rewriter) option(list []token, at int, table string) error {
	value := after(list, at)
	if value < len(list) && list[value].text == "=" {
		value = after(list, value)
	}

	if value >= len(list) {
		return nil
	}

	given := strings.ToLower(list[value].named())

	switch key := strings.ToLower(list[at].text); {
	case key == "engine" || key == "type":
		return w.engine(list, value, table)
	case key == "row_format" && !slices.Contains(innodbFormats, given):
		w.changed("row format %s left out", strings.ToUpper(given))
		blank(list, at, value)
	case slices.Contains(dropped, key) && list[after(list, at)].text == "=":
		blank(list, at, value)
	case (key == "data" || key == "index") && given == "directory":
		w.changed("%s DIRECTORY left out", strings.ToUpper(key))

		path := after(list, value)
		if path < len(list) && list[path].text == "=" {
			path = after(list, path)
		}

		blank(list, at, path)
	}

	return nil
}

func (w *Rewriter) engine(list []token, at int, table string) error {
	engine := strings.ToLower(list[at].named())

	switch {
	case engine == "innodb":
		return nil
	case !slices.Contains(converted, engine):
		return fmt.Errorf(
			"%w: table %s has the engine %s, of which InnoDB can make nothing; leave it out of the dump",
			ErrRefused,
			table,
			list[at].named(),
		)
	}

	w.changed("tables of %s became InnoDB's", strings.ToUpper(engine))
	list[at] = token{word, "InnoDB"}

	return nil
}

// blank takes tokens out of a statement, from one place to another.
func blank(list []token, from, to int) {
	for i := from; i <= to && i < len(list); i++ {
		if list[i].kind != opening && list[i].kind != closing {
			list[i] = token{space, " "}
		}
	}
}
