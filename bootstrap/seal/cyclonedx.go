package seal

// What a bill of materials in CycloneDX 1.6 says here (https://cyclonedx.org/docs/1.6/json/). The types are our own: the
// public library's bring XML and gob into every node's bootstrap. Its tests read with the library what these write.
const (
	bomFormat = "CycloneDX"
	bomSpec   = "1.6"

	typeContainer   = "container"
	typeOS          = "operating-system"
	typeApplication = "application"
	typeLibrary     = "library"
	typeFile        = "file"
)

type materials struct {
	Format       string          `json:"bomFormat"`
	Spec         string          `json:"specVersion"`
	Serial       string          `json:"serialNumber"`
	Version      int             `json:"version"`
	Metadata     bomMetadata     `json:"metadata"`
	Components   []bomComponent  `json:"components"`
	Dependencies []bomDependency `json:"dependencies"`
}

type bomMetadata struct {
	Timestamp string       `json:"timestamp"`
	Tools     bomTools     `json:"tools"`
	Component bomComponent `json:"component"`
}

type bomTools struct {
	Components []bomComponent `json:"components"`
}

type bomComponent struct {
	BOMRef     string       `json:"bom-ref,omitempty"`
	Type       string       `json:"type"`
	Supplier   *bomSupplier `json:"supplier,omitempty"`
	Name       string       `json:"name"`
	Version    string       `json:"version,omitempty"`
	Hashes     []bomHash    `json:"hashes,omitempty"`
	PackageURL string       `json:"purl,omitempty"`
}

type bomSupplier struct {
	Name string `json:"name,omitempty"`
}

type bomHash struct {
	Algorithm string `json:"alg"`
	Value     string `json:"content"`
}

type bomDependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}
