package roles

import "github.com/hornero/hornero/internal/report"

// Space is a Space of DigitalOcean's (a bucket) in which the role keeps something. It names settings and secrets of the
// role, so that `hornero up` can make the Space, and a key for it alone.
type Space struct {
	Make     string `yaml:"make"`     // the setting that asks for it, of type boolean
	Bucket   string `yaml:"bucket"`   // the setting with the Space's name
	Region   string `yaml:"region"`   // the setting with its region
	Endpoint string `yaml:"endpoint"` // the setting with the region's address, where it is not DigitalOcean's
	Key      string `yaml:"key"`      // the secret with the key's name (an access key)
	Secret   string `yaml:"secret"`   // the secret with the key's secret
}

// checkSpaces looks whether what Spaces name is there, in the role or in its pieces.
func (m *Manifest) checkSpaces(doc *report.Document, own *Manifest) {
	for i, space := range m.Spaces {
		at := func(key string) string { return standing("spaces", i, len(m.Spaces), len(own.Spaces), key) }

		if rule := m.Settings[space.Make]; rule.Type != TypeBoolean {
			doc.Add(at(".make"), "must be one of the role's settings, of type boolean, got %q", space.Make)
		}

		for key, name := range map[string]string{".bucket": space.Bucket, ".region": space.Region} {
			if _, declared := m.Settings[name]; !declared {
				doc.Add(at(key), "must be one of the role's settings, got %q", name)
			}
		}

		if _, declared := m.Settings[space.Endpoint]; space.Endpoint != "" && !declared {
			doc.Add(at(".endpoint"), "must be one of the role's settings, got %q", space.Endpoint)
		}

		for key, name := range map[string]string{".key": space.Key, ".secret": space.Secret} {
			if rule, declared := m.Secrets[name]; !declared || !rule.Given() {
				doc.Add(at(key), "must be one of the role's secrets, with make: given, got %q", name)
			}
		}
	}
}
