package roles

import (
	"maps"
	"slices"
)

// FunctionNames are the functions of templates, sorted, for a test of the page that describes them.
func FunctionNames() []string {
	names := slices.Concat(
		slices.Collect(maps.Keys(pure)),
		slices.Collect(maps.Keys(quotes)),
		slices.Collect(maps.Keys((&Manifest{}).functions(Facts{}))),
	)
	slices.Sort(names)

	return names
}
