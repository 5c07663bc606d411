package media

import (
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"strconv"

	"github.com/hornero/hornero/internal/report"
)

// The stores.
const (
	StoreLocal      = "local"
	StoreReplicated = "replicated"
	StoreSpaces     = "spaces"
)

// Peer is another node of the role.
type Peer struct {
	Name    string `json:"name"`
	Address string `json:"address"` // in the VPC
	Alive   bool   `json:"alive"`   // as the peer set has it
}

// SpaceConfig is the Space that files are kept in.
type SpaceConfig struct {
	Endpoint string `json:"endpoint"` // empty: DigitalOcean's of the region
	Region   string `json:"region"`
	Bucket   string `json:"bucket"`
	Prefix   string `json:"prefix"` // of all keys
	Key      string `json:"key"`
	Secret   string `json:"secret"`
}

// Config is the daemon's file, which the node's agent writes from a template.
type Config struct {
	Store  string `json:"store"`
	Stack  string `json:"stack"`
	Node   string `json:"node"`
	Folder string `json:"folder"` // the files
	State  string `json:"state"`  // what is known of them
	Owner  string `json:"owner"`  // the user of the files
	Prefix string `json:"prefix"` // of their addresses, as in /wp-content/uploads/

	// Share is how much of the disk the files may take before those are evicted that the Space has, in percent.
	Share   int      `json:"share"`
	Private []string `json:"private"` // folders whose files the Space shows to nobody

	Space SpaceConfig `json:"space"`

	Listen   string   `json:"listen"`   // address and port towards the other nodes
	Port     int      `json:"port"`     // of the other nodes
	Peers    []Peer   `json:"peers"`    // without this one
	Expected []string `json:"expected"` // names of all nodes that there should be

	CA          string `json:"ca"` // files
	Certificate string `json:"certificate"`
	PrivateKey  string `json:"private_key"`
}

// LoadConfig reads the daemon's file.
func LoadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}

	var c Config

	// The file may hold a secret: no part of it is printed.
	if err := json.Unmarshal(data, &c); err != nil {
		return Config{}, fmt.Errorf("%w: %s is not what the template makes", ErrConfig, path)
	}

	return c, c.check()
}

func (c Config) check() error {
	switch c.Store {
	case StoreLocal, StoreReplicated:
	case StoreSpaces:
		if c.Space.Bucket == "" || c.Space.Key == "" || c.Space.Secret == "" {
			return fmt.Errorf(
				"%w: a Space needs a bucket, a key and its secret",
				ErrConfig,
			)
		}

	default:
		return fmt.Errorf(
			"%w: there is no store %q",
			ErrConfig,
			c.Store,
		)
	}

	if c.Node == "" || c.Folder == "" || c.State == "" {
		return fmt.Errorf(
			"%w: node, folder and state must be named",
			ErrConfig,
		)
	}

	return nil
}

// secret is the Space's.
func (c Config) secret() report.Secret { return report.Secret(c.Space.Secret) }

// owner looks up who the files belong to.
func (c Config) owner() (Owner, error) {
	if c.Owner == "" {
		return Owner{User: os.Geteuid(), Group: os.Getegid()}, nil
	}

	found, err := user.Lookup(c.Owner)
	if err != nil {
		return Owner{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}

	uid, err := strconv.Atoi(found.Uid)
	if err != nil {
		return Owner{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}

	gid, err := strconv.Atoi(found.Gid)
	if err != nil {
		return Owner{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}

	return Owner{User: uid, Group: gid}, nil
}
