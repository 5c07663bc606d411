package stack

import (
	"slices"

	"github.com/hornero/hornero/roles"
)

// Variant is a group of the role behind a site whose nodes only those visitors get who ask for it.
type Variant struct {
	Group  string            `yaml:"group"`
	Header map[string]string `yaml:"header"`
	Cookie map[string]string `yaml:"cookie"`
}

// asked is what visitors ask for the variant with.
func (v Variant) asked() Asked {
	return Asked{
		Header: v.Header,
		Cookie: v.Cookie,
	}
}

// Asked is what a visitor's request has with it: each header and each cookie alone will do.
type Asked struct {
	Header map[string]string `yaml:"header"`
	Cookie map[string]string `yaml:"cookie"`
}

// variants are what visitors of the site may ask for, in the order in which they are looked for.
func (s Site) variants() []roles.Variant {
	var all []roles.Variant

	if s.Canary != nil {
		all = append(all, roles.Variant{
			Header: s.Canary.Header,
			Cookie: s.Canary.Cookie,
		})
	}

	for _, variant := range s.Variants {
		all = append(all, roles.Variant{
			Group:  variant.Group,
			Header: variant.Header,
			Cookie: variant.Cookie,
		})
	}

	return all
}

// serves tells whether nodes of a group are behind the site, for all visitors.
func (s Site) serves(group string) bool {
	isVariant := slices.ContainsFunc(s.Variants, func(variant Variant) bool {
		return variant.Group == group
	})

	return slices.Contains(s.Groups, group) || len(s.Groups) == 0 && !isVariant
}
