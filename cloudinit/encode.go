package cloudinit

import (
	"errors"
	"fmt"

	"gopkg.in/yaml.v3"
)

// Header opens every user-data that cloud-init takes for its own YAML.
const Header = "#cloud-config"

// trailer is the last line. What is cut anywhere is still YAML more often than not; without this line it is cut.
const trailer = "# the end of a node's user-data"

var (
	// ErrTooLarge is user-data over MaxUserData.
	ErrTooLarge = errors.New("user-data is larger than 64 KiB")
	// ErrNotOurs is user-data that carries no node document.
	ErrNotOurs = errors.New("user-data carries no Hornero node document")
)

type writeFile struct {
	Path        string `yaml:"path"`
	Owner       string `yaml:"owner"`
	Permissions string `yaml:"permissions"`
	Content     string `yaml:"content"`
}

type config struct {
	Hostname       string            `yaml:"hostname"`
	PreserveHost   bool              `yaml:"preserve_hostname"`
	ManageHosts    bool              `yaml:"manage_etc_hosts"`
	SSHDeleteKeys  bool              `yaml:"ssh_deletekeys"`
	SSHKeys        map[string]string `yaml:"ssh_keys,omitempty"`
	AuthorizedKeys []string          `yaml:"ssh_authorized_keys,omitempty"`
	DisableRoot    bool              `yaml:"disable_root"`
	WriteFiles     []writeFile       `yaml:"write_files"`
}

// Encode writes a node's user-data: a plain #cloud-config with the document in write_files. It refuses, before
// any launch, one that DigitalOcean would refuse for its size.
func Encode(node Node) ([]byte, error) {
	// Whoever makes a document need not know its version.
	node.Version = Version
	document, err := yaml.Marshal(node)
	if err != nil {
		return nil, fmt.Errorf("write node document of %s: %w", node.Node, err)
	}

	body, err := yaml.Marshal(configOf(node, string(document)))
	if err != nil {
		return nil, fmt.Errorf("write user-data of %s: %w", node.Node, err)
	}

	// The API would refuse it in the middle of a launch.
	data := []byte(Header + "\n" + string(body) + trailer + "\n")
	if len(data) > MaxUserData {
		return nil, fmt.Errorf(
			"write user-data of %s: %w: %d bytes; shorten its settings or secrets",
			node.Node,
			ErrTooLarge,
			len(data),
		)
	}

	return data, nil
}

func configOf(node Node, document string) config {
	c := config{
		Hostname:       node.Node,
		SSHDeleteKeys:  true,
		AuthorizedKeys: node.SSH.AuthorizedKeys,
		WriteFiles: []writeFile{{
			Path:        NodePath,
			Owner:       "root:root",
			Permissions: "0600",
			Content:     document,
		}},
	}
	if node.SSH.HostKey != "" {
		c.SSHKeys = map[string]string{
			"ed25519_private":     node.SSH.HostKey.Reveal(),
			"ed25519_public":      node.SSH.HostPublicKey,
			"ed25519_certificate": node.SSH.HostCertificate,
		}
	}

	return c
}
