package cloudinit

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hornero/hornero/internal/report"
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
	node.Version = Version
	document, err := yaml.Marshal(node)
	if err != nil {
		return nil, fmt.Errorf("write node document of %s: %w", node.Node, err)
	}
	body, err := yaml.Marshal(configOf(node, string(document)))
	if err != nil {
		return nil, fmt.Errorf("write user-data of %s: %w", node.Node, err)
	}
	data := []byte(Header + "\n" + string(body) + trailer + "\n")
	if len(data) > MaxUserData {
		return nil, fmt.Errorf("write user-data of %s: %w: %d bytes; shorten its settings or secrets", node.Node, ErrTooLarge, len(data))
	}
	return data, nil
}

func configOf(node Node, document string) config {
	c := config{
		Hostname:       node.Node,
		SSHDeleteKeys:  true,
		AuthorizedKeys: node.SSH.AuthorizedKeys,
		WriteFiles:     []writeFile{{Path: NodePath, Owner: "root:root", Permissions: "0600", Content: document}},
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

// Decode takes the node document out of user-data and reads it strictly. file names the source in problems.
func Decode(file string, userData []byte) (Node, error) {
	if len(userData) > MaxUserData {
		return Node{}, fmt.Errorf("read %s: %w: %d bytes", file, ErrTooLarge, len(userData))
	}
	first, _, _ := strings.Cut(string(userData), "\n")
	if strings.TrimSpace(first) != Header {
		return Node{}, fmt.Errorf("read %s: %w: its first line is not %s", file, ErrNotOurs, Header)
	}
	var carrier struct {
		WriteFiles []writeFile `yaml:"write_files"`
	}
	if err := yaml.Unmarshal(userData, &carrier); err != nil {
		return Node{}, fmt.Errorf("read %s: %w: it is cut short or not YAML: %w", file, ErrNotOurs, err)
	}
	for _, f := range carrier.WriteFiles {
		if f.Path == NodePath {
			if !strings.HasSuffix(strings.TrimSpace(string(userData)), trailer) {
				return Node{}, fmt.Errorf("read %s: %w: it is cut short: its last line is not %q", file, ErrNotOurs, trailer)
			}
			return DecodeNode(file+"#"+NodePath, []byte(f.Content))
		}
	}
	return Node{}, fmt.Errorf("read %s: %w: write_files has no %s", file, ErrNotOurs, NodePath)
}

// DecodeNode reads a node document strictly: unknown fields, wrong types and missing parts are report.Problems.
func DecodeNode(file string, data []byte) (Node, error) {
	doc, err := report.Parse(file, data)
	if err != nil {
		return Node{}, err
	}
	var node Node
	doc.Decode(&node)
	node.check(doc)
	return node, doc.Problems()
}

func (n Node) check(doc *report.Document) {
	if n.Version != Version {
		doc.Add("version", "must be %d, got %d; launch the node with the hornero that made its image", Version, n.Version)
	}
	for path, value := range map[string]string{"stack": n.Stack, "role": n.Role, "node": n.Node, "tls.ca": n.TLS.CA, "tls.certificate": n.TLS.Certificate, "tls.key": n.TLS.Key.Reveal()} {
		if value == "" {
			doc.Add(path, "is missing")
		}
	}
	if n.Incarnation < 1 {
		doc.Add("incarnation", "must be at least 1, got %d", n.Incarnation)
	}
	if !n.Found && len(n.Join) == 0 {
		doc.Add("join", "must name at least one member when the node may not found the peer set")
	}
}
