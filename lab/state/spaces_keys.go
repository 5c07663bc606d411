package state

import (
	"time"
)

// SpacesKey is an access key of Spaces.
type SpacesKey struct {
	Name      string        `json:"name"`
	AccessKey string        `json:"access_key"`
	Secret    string        `json:"secret"`
	Grants    []SpacesGrant `json:"grants"`
	Created   time.Time     `json:"created"`
}

// SpacesGrant is what a key may do with a bucket.
type SpacesGrant struct {
	Bucket     string `json:"bucket"`     // empty for all of them
	Permission string `json:"permission"` // read, readwrite, fullaccess
}

// SpacesKey finds a key; nil when there is none.
func (d *Document) SpacesKey(access string) *SpacesKey {
	return find(d.SpacesKeys, func(x *SpacesKey) bool { return x.AccessKey == access })
}
