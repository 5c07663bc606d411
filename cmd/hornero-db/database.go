package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// databasesFile has the stack's databases, a line each: the name, and the user that it belongs to. The bootstrap writes
// it.
var databasesFile = "/etc/mysql/hornero/databases"

// database is one of the stack's.
type database struct {
	name, user string
}

// databases are the stack's, by the file.
func databases() ([]database, error) {
	file, err := os.Open(databasesFile)
	if err != nil {
		return nil, fmt.Errorf("read the stack's databases: %w", err)
	}
	defer file.Close()

	var list []database

	lines := bufio.NewScanner(file)
	for lines.Scan() {
		name, user, ok := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		if ok {
			list = append(list, database{name: name, user: user})
		}
	}

	return list, lines.Err()
}

// choose is the database that is named, or the only one.
func choose(named string) (database, error) {
	list, err := databases()
	if err != nil {
		return database{}, err
	}

	names := make([]string, 0, len(list))
	for _, d := range list {
		names = append(names, d.name)
	}

	switch {
	case len(list) == 0:
		return database{}, errors.New("no role of the stack has a database here")
	case named == "" && len(list) == 1:
		return list[0], nil
	case named == "":
		return database{}, fmt.Errorf(
			"the stack has several databases: choose one by --database: %s",
			strings.Join(names, ", "),
		)
	}

	at := slices.Index(names, named)
	if at < 0 {
		return database{}, fmt.Errorf("the stack has no database %q: it has %s", named, strings.Join(names, ", "))
	}

	return list[at], nil
}
