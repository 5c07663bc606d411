package roles

import (
	"cmp"
	"maps"
	"slices"
)

// Variant is a part of the nodes behind a site, for visitors who ask for it by a header or a cookie.
type Variant struct {
	Group  string            `json:"group,omitempty"`  // whose nodes it is; empty: those that are a canary
	Header map[string]string `json:"header,omitempty"` // each of them alone leads there
	Cookie map[string]string `json:"cookie,omitempty"`
}

// canaryPart ends the key of a site's canary. No group's name begins with a colon.
const canaryPart = ":canary"

// Keys name all parts of the site in a configuration: the canary and the variants, and last the site itself.
func (s Site) Keys() []string {
	var keys []string
	for _, variant := range s.Variants {
		keys = append(keys, s.variantKey(variant))
	}

	return append(keys, s.Key())
}

func (s Site) variantKey(variant Variant) string {
	return s.Key() + ":" + cmp.Or(variant.Group, canaryPart)
}

// sitePart is a part of a site with the places of its nodes.
type sitePart struct {
	Key        string
	Conditions []siteCondition // one of them must hold; of the site itself, which takes who is left, there are none
	Slots      []PeerFact
}

// siteCondition is a sample of HAProxy's, and the value that it must have.
type siteCondition struct {
	Fetch string
	Value string
}

// parts are those of a site, in the order in which visitors are asked.
func (f Facts) parts(site Site) []sitePart {
	var parts []sitePart

	own := f.siteSlots(site)

	for _, variant := range site.Variants {
		part := sitePart{
			Key:        site.variantKey(variant),
			Conditions: variant.conditions(),
		}

		if variant.Group == "" {
			part.Slots = closed(own)
		} else {
			part.Slots = f.siteSlots(Site{
				Role:   site.Role,
				Groups: []string{variant.Group},
			})
		}

		parts = append(parts, part)
	}

	return append(parts, sitePart{
		Key:   site.Key(),
		Slots: own,
	})
}

// closed are places that only the running process is told to open: which nodes are a canary changes without a word in
// any text.
func closed(slots []PeerFact) []PeerFact {
	all := slices.Clone(slots)
	for i := range all {
		all[i].Healthy = false
	}

	return all
}

func (v Variant) conditions() []siteCondition {
	var all []siteCondition

	for _, name := range slices.Sorted(maps.Keys(v.Header)) {
		all = append(all, siteCondition{
			Fetch: "req.hdr(" + name + ")",
			Value: v.Header[name],
		})
	}

	for _, name := range slices.Sorted(maps.Keys(v.Cookie)) {
		all = append(all, siteCondition{
			Fetch: "req.cook(" + name + ")",
			Value: v.Cookie[name],
		})
	}

	return all
}

// ofVariant tells whether a group's nodes are a variant's, and not the site's own.
func (s Site) ofVariant(group string) bool {
	return slices.ContainsFunc(s.Variants, func(variant Variant) bool {
		return variant.Group == group
	})
}
