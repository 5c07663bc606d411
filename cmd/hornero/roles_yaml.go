package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// manifestNode is a merged manifest as YAML, without what it leaves to the defaults.
func manifestNode(folders roleFolders, manifest *roles.Manifest) *yaml.Node {
	return yamlOf(reflect.ValueOf(*manifest), folders.place)
}

// yamlOf writes a value as YAML. It leaves empty fields of a struct out, and nothing of a map, whose keys are names.
func yamlOf(value reflect.Value, place func(string) string) *yaml.Node {
	switch held := value.Interface().(type) {
	case roles.Value:
		return yamlOfValue(held)
	case time.Duration:
		return scalar(held.String())
	}

	switch value.Kind() {
	case reflect.Pointer:
		return yamlOf(value.Elem(), place)
	case reflect.Struct:
		return yamlOfStruct(value, place)
	case reflect.Map:
		return yamlOfMap(value, place)
	case reflect.Slice:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range value.Len() {
			list.Content = append(list.Content, yamlOf(value.Index(i), place))
		}

		return list
	}

	node := &yaml.Node{}
	_ = node.Encode(value.Interface()) // text, numbers and booleans only: it cannot fail

	return node
}

func yamlOfStruct(value reflect.Value, place func(string) string) *yaml.Node {
	mapping := &yaml.Node{Kind: yaml.MappingNode}

	for i := range value.NumField() {
		key, _, _ := strings.Cut(value.Type().Field(i).Tag.Get("yaml"), ",")
		field := value.Field(i)

		if key == "" || isEmpty(field) {
			continue
		}

		mapping.Content = append(mapping.Content, scalar(key), yamlOf(field, place))

		if lies := fileOf(value.Interface()); key == "source" && lies != "" {
			mapping.Content[len(mapping.Content)-1].LineComment = place(lies)
		}
	}

	return mapping
}

// fileOf names the file of a manifest's part in the folder of roles; "" for a part without one.
func fileOf(part any) string {
	switch part := part.(type) {
	case roles.File:
		return part.File()
	case roles.Template:
		return part.File()
	}

	return ""
}

func yamlOfMap(value reflect.Value, place func(string) string) *yaml.Node {
	mapping := &yaml.Node{Kind: yaml.MappingNode}

	keys := value.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })

	for _, key := range keys {
		// A name that looks like a number, as a port among refused ones, is a text all the same.
		name := &yaml.Node{}
		name.SetString(key.String())

		mapping.Content = append(mapping.Content, name, yamlOf(value.MapIndex(key), place))
	}

	return mapping
}

// yamlOfValue is a setting's value as it stood in its manifest.
func yamlOfValue(value roles.Value) *yaml.Node {
	if value.Kind != "list" {
		node := scalar(value.Scalar)

		// What is quoted is text, as it was.
		if value.Kind == "text" {
			node.SetString(value.Scalar)
		}

		return node
	}

	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, item := range value.Items {
		list.Content = append(list.Content, scalar(item))
	}

	return list
}

func isEmpty(field reflect.Value) bool {
	switch field.Kind() {
	case reflect.Slice, reflect.Map:
		return field.Len() == 0
	}

	return field.IsZero()
}

// scalar is a plain value: what it is follows from how it looks.
func scalar(text string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Value: text}

	// A line's end, a colon or a quote inside has to be quoted, and the encoder knows how.
	var back any
	if err := report.Unmarshal([]byte(text), &back); err != nil || fmt.Sprint(back) != text {
		node.SetString(text)
	}

	return node
}
