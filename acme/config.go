package acme

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/hornero/hornero/internal/certificates"
	"github.com/hornero/hornero/internal/derived"
	"github.com/hornero/hornero/internal/report"
)

// Config is the program's file, which the node's agent writes from a template.
type Config = certificates.Config

// Wanted is a certificate that there should be.
type Wanted = certificates.Wanted

// Told is what is told of a certificate, in the clear.
type Told = certificates.Told

// ErrConfig is a configuration that cannot be used.
var ErrConfig = errors.New("the configuration cannot be used")

// LoadConfig reads the program's file. A stack without such certificates has one that is empty.
func LoadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf(
			"read the configuration: %w",
			err,
		)
	}

	var c Config

	// The file holds a secret: no part of it is printed.
	if err := json.Unmarshal(data, &c); err != nil {
		return Config{}, fmt.Errorf(
			"%w: %s is not what the template makes",
			ErrConfig,
			path,
		)
	}

	return c, check(c)
}

func check(c Config) error {
	r := c.Request

	if len(r.Certificates) == 0 {
		return nil
	}

	if r.Directory == "" || c.Secret == "" {
		return fmt.Errorf("%w: certificates need a directory and a secret", ErrConfig)
	}

	if _, err := netip.ParseAddr(r.Address); r.Address != "" && err != nil {
		return fmt.Errorf("%w: the address is none", ErrConfig)
	}

	if r.Fallback != nil && r.Fallback.Directory == "" {
		return fmt.Errorf("%w: a second authority needs a directory", ErrConfig)
	}

	for _, wanted := range r.Certificates {
		if wanted.Name == "" || len(wanted.Names) == 0 {
			return fmt.Errorf("%w: a certificate needs a name, and names that it is for", ErrConfig)
		}
	}

	return nil
}

// job is the job of a certificate, before anything is known of it.
func jobOf(c Config, wanted Wanted, fallback bool) (Job, error) {
	key, err := derived.Account(report.Secret(c.Secret))
	if err != nil {
		return Job{}, err
	}

	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Job{}, err
	}

	job := Job{
		Directory: c.Request.Directory,
		Authority: c.Request.Authority,
		Email:     c.Request.Email,
		Profile:   c.Request.Profile,
		Binding:   bindingOf(c.Request.Account, c.Bindings[certificates.BindingFirst]),
		Account:   string(pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der})),
		Names:     wanted.Names,
	}

	if second := c.Request.Fallback; fallback && second != nil {
		job.Directory = second.Directory
		job.Authority = second.Authority
		job.Profile = second.Profile
		job.Binding = bindingOf(second.Account, c.Bindings[certificates.BindingFallback])
	}

	return job, nil
}

// plainBase64 is base64url as authorities mean it, from the ways in which they show it.
var plainBase64 = strings.NewReplacer("+", "-", "/", "_", "=", "", " ", "", "\n", "", "\r", "")

// bindingOf ties an account to one that the authority knows by a key id; nil where it need not know any.
func bindingOf(id, key string) *Binding {
	if id == "" {
		return nil
	}

	return &Binding{ID: id, Key: plainBase64.Replace(key)}
}
