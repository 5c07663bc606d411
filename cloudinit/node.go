// Package cloudinit owns user-data: the node document, the #cloud-config that carries it, and the places where a
// Droplet finds it. It knows nothing of what a node does with its document.
package cloudinit

import (
	"maps"

	"github.com/hornero/hornero/internal/report"
	"gopkg.in/yaml.v3"
)

// Version is the version of the node document that this code writes and reads.
const Version = 1

// FoundedTag is the tag of a Droplet that founded its stack's peer set: user-data says for ever that it may,
// and may not again.
func FoundedTag(stack string) string { return "hornero:" + stack + ":founded" }

// NodePath is where the document rides in write_files, and where cloud-init leaves it on a node.
const NodePath = "/etc/hornero/node.yaml"

// MaxUserData is the largest user-data that DigitalOcean accepts, in bytes (its API description: 64 KiB).
const MaxUserData = 64 << 10

// What the document of a node that may hold the stack's reserved IP has besides.
const (
	SettingReservedIP     = "reserved_ip.address"
	SettingReservedIPAPI  = "reserved_ip.api" // where the API answers; empty for DigitalOcean's own
	SecretReservedIPToken = "digitalocean.reserved_ip_token"
)

// Node is a node's document: all that one node needs to know, and no secret that its role does not need. A key
// that is added is left out when it has nothing to say: images of older versions refuse what they do not know.
type Node struct {
	Version     int    `yaml:"version"`
	Stack       string `yaml:"stack"`       // the stack's name
	Role        string `yaml:"role"`        // a folder of roles/
	Node        string `yaml:"node"`        // the node's name in the stack, as in db-2
	Incarnation int    `yaml:"incarnation"` // from 1; each Droplet that bears the name has the next
	Found       bool   `yaml:"found"`       // this node may found the peer set; exactly one of a new stack may
	// Join lists the VPC addresses of members known at launch, which are asked first. Without any, and when none of
	// them answers, the node asks every address of its subnet.
	Join []string `yaml:"join"`
	// Expected names every node of the stack, by role: who is to be there, not who is.
	Expected map[string][]string `yaml:"expected"`
	// Roles says what the nodes of each role of the stack may do in the peer set. A role that is not named was added
	// to the stack later: it has the rights that every role has.
	Roles map[string]Rights `yaml:"roles,omitempty"`
	// Databases are what this node is to make and keep for other roles; none where it keeps no databases.
	Databases []Database               `yaml:"databases,omitempty"`
	Settings  map[string]string        `yaml:"settings"` // what the role's templates may read, by the manifest's names
	Secrets   map[string]report.Secret `yaml:"secrets"`  // those of the role's manifest and of Databases
	TLS       TLS                      `yaml:"tls"`
	SSH       SSH                      `yaml:"ssh"`
}

// Rights are what the nodes of a role may do in the peer set.
type Rights struct {
	Peers  string `yaml:"peers"`            // "member" or "client"
	Driver string `yaml:"driver,omitempty"` // of its manifest
	// Leases are those of the role that have another name in the peer set than ROLE.NAME, by NAME.
	Leases map[string]string `yaml:"leases,omitempty"`
}

// Database is a database with its user, as a role asks for it.
type Database struct {
	Name   string `yaml:"name"`
	User   string `yaml:"user"`
	Secret string `yaml:"secret"` // the user's password, by its name among the document's secrets
	Grants string `yaml:"grants"`
}

// TLS is a node's identity among its peers. Its certificate's subject names stack (organisation), role
// (organisational unit), node (common name) and incarnation (serial number attribute).
type TLS struct {
	CA          string        `yaml:"ca"`          // PEM; several while one authority takes another's place
	Certificate string        `yaml:"certificate"` // PEM
	Key         report.Secret `yaml:"key"`         // PEM
	// Authorities are the node's identities of other authorities than the stack's, by the authority's name: those that
	// its role asks for.
	Authorities map[string]Identity `yaml:"authorities,omitempty"`
}

// Identity is a certificate of the node, with the same subject as the one for its peers.
type Identity struct {
	CA          string        `yaml:"ca"`          // PEM
	Certificate string        `yaml:"certificate"` // PEM
	Key         report.Secret `yaml:"key"`         // PEM
}

// SSH is a node's host key, signed by the stack's SSH authority, so that nobody has to trust on first use.
type SSH struct {
	HostKey         report.Secret `yaml:"host_key"`         // OpenSSH private key, ed25519
	HostPublicKey   string        `yaml:"host_public_key"`  // authorized_keys form
	HostCertificate string        `yaml:"host_certificate"` // authorized_keys form
	AuthorizedKeys  []string      `yaml:"authorized_keys"`  // who may log in as root
}

// mask stands where a secret was.
const mask = report.Secret("(masked)")

// Masked is the document without what nobody is to read on a screen.
func (n Node) Masked() Node {
	secrets := n.Secrets
	n.Secrets = map[string]report.Secret{}

	for name := range secrets {
		n.Secrets[name] = mask
	}

	n.TLS.Authorities = maps.Clone(n.TLS.Authorities)
	for authority, identity := range n.TLS.Authorities {
		identity.Key = mask
		n.TLS.Authorities[authority] = identity
	}

	for _, key := range []*report.Secret{
		&n.TLS.Key,
		&n.SSH.HostKey,
	} {
		if *key != "" {
			*key = mask
		}
	}

	return n
}

// Fields is the document by the names that it has in YAML, as JSON is to show it.
func (n Node) Fields() (map[string]any, error) {
	// By way of YAML, as JSON would hide every secret.
	data, err := yaml.Marshal(n)
	if err != nil {
		return nil, err
	}

	fields := map[string]any{}

	return fields, yaml.Unmarshal(data, &fields)
}
