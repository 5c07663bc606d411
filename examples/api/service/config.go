package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
)

// config is what the role's template writes.
type config struct {
	Listen   string   `json:"listen"`
	Node     string   `json:"node"`
	Greeting string   `json:"greeting"`
	Token    string   `json:"token"` // who writes a note shows it
	Database database `json:"database"`
}

// database is where the notes are kept.
type database struct {
	Name     string `json:"name"`
	User     string `json:"user"`
	Password string `json:"password"`
	Address  string `json:"address"`
	Server   string `json:"server"` // the name in the server's certificate
	CA       string `json:"ca"`     // the file with the authority that signed it
}

// findConfig reads the configuration from the environment where that has one, as in a role that `hornero roles new`
// began, and else from the file.
func findConfig() (config, error) {
	port := os.Getenv("PORT")
	if port == "" {
		return readConfig(configFile)
	}

	node, err := os.Hostname()
	if err != nil {
		return config{}, fmt.Errorf("find the node's name: %w", err)
	}

	return config{
		Listen:   ":" + port,
		Node:     node,
		Greeting: os.Getenv("GREETING"),
		Token:    os.Getenv("TOKEN"),
		Database: database{
			Name:     os.Getenv("DATABASE_NAME"),
			User:     os.Getenv("DATABASE_USER"),
			Password: os.Getenv("DATABASE_PASSWORD"),
			Address:  net.JoinHostPort("127.0.0.1", os.Getenv("DATABASE_PORT")),
			Server:   os.Getenv("DATABASE_HOST"),
			CA:       os.Getenv("DATABASE_CA"),
		},
	}, nil
}

func readConfig(path string) (config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return config{}, fmt.Errorf("read configuration: %w", err)
	}

	var read config
	if err := json.Unmarshal(text, &read); err != nil {
		return config{}, fmt.Errorf("read %s: %w", path, err)
	}

	if read.Listen == "" || read.Token == "" || read.Database.Password == "" {
		return config{}, fmt.Errorf("read %s: listen, token and database.password must be there", path)
	}

	return read, nil
}
