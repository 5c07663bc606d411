package builder

import "encoding/json"

// StateBuilt is the name of an artifact's state that holds a Built as JSON: text crosses Packer's plugin
// protocol unchanged.
const StateBuilt = "hornero.built"

// Built is what post-processors are told of an image.
type Built struct {
	ID      int      `json:"id,omitempty"`
	Name    string   `json:"name"`
	Role    string   `json:"role"`
	Release string   `json:"release"`
	Digest  string   `json:"digest"`
	Base    string   `json:"base"`
	Layer   string   `json:"layer,omitempty"` // the digest of the image beneath
	Regions []string `json:"regions,omitempty"`
	Created string   `json:"created_at,omitempty"`
	Record  string   `json:"record,omitempty"` // a file on the machine that bakes
}

// built is what a recipe tells of its image.
func (r Recipe) built() Built {
	told := Built{
		Role:    r.Role,
		Release: r.Release,
		Digest:  r.Digest,
		Base:    r.Base,
	}
	if r.Layer != nil {
		told.Layer = r.Layer.Digest
	}

	return told
}

// state is an artifact's answer to post-processors, with the file in which the image's record is.
func (b Built) state(name, record string) any {
	if name != StateBuilt {
		return nil
	}

	b.Record = record
	text, err := json.Marshal(b)
	if err != nil {
		panic(err) // plain strings and numbers
	}

	return string(text)
}
