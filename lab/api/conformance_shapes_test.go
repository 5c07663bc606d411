package api_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fields are what a thing must have: names and what each must be, as DigitalOcean's description says and
// clients decode. number, string, bool, list, object, time, uuid; a ? after it allows null.
type fields map[string]string

func kinds() map[string]func(any) bool {
	is := func(pattern string) func(any) bool {
		compiled := regexp.MustCompile(pattern)
		return func(value any) bool {
			text, ok := value.(string)
			return ok && compiled.MatchString(text)
		}
	}

	return map[string]func(any) bool{
		"number": func(value any) bool {
			_, ok := value.(float64)
			return ok
		},
		"string": func(value any) bool {
			_, ok := value.(string)
			return ok
		},
		"bool": func(value any) bool {
			_, ok := value.(bool)
			return ok
		},
		"list": func(value any) bool {
			_, ok := value.([]any)
			return ok
		},
		"object": func(value any) bool {
			_, ok := value.(map[string]any)
			return ok
		},
		"time": is(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`),
		"uuid": is(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`),
	}
}

// conforms looks at each field of a thing.
func conforms(t *testing.T, what string, thing any, wanted fields) {
	t.Helper()
	object, ok := thing.(map[string]any)
	require.True(t, ok, "%s is %v", what, thing)

	for name, kind := range wanted {
		value, there := object[name]
		require.True(t, there, "%s has no %s", what, name)

		kind, mayBeNull := strings.CutSuffix(kind, "?")
		if value == nil {
			require.True(t, mayBeNull, "%s: %s is null", what, name)
			continue
		}

		require.True(t,
			kinds()[kind](value),
			"%s: %s is no %s: %v",
			what,
			name,
			kind,
			value,
		)
	}
}

func shapes() map[string]fields {
	region := fields{
		"name":      "string",
		"slug":      "string",
		"features":  "list",
		"available": "bool",
		"sizes":     "list",
	}

	image := fields{
		"id":             "number",
		"name":           "string",
		"distribution":   "string",
		"slug":           "string?",
		"public":         "bool",
		"regions":        "list",
		"created_at":     "time",
		"type":           "string",
		"min_disk_size":  "number",
		"size_gigabytes": "number",
		"status":         "string",
		"tags":           "list",
		"description":    "string",
	}

	snapshot := fields{
		"id":             "string",
		"name":           "string",
		"created_at":     "time",
		"regions":        "list",
		"resource_id":    "string",
		"resource_type":  "string",
		"min_disk_size":  "number",
		"size_gigabytes": "number",
		"tags":           "list",
	}

	action := fields{
		"id":            "number",
		"status":        "string",
		"type":          "string",
		"started_at":    "time",
		"completed_at":  "time?",
		"resource_id":   "number?",
		"resource_type": "string",
		"region":        "object",
		"region_slug":   "string",
	}

	reserved := fields{
		"ip":         "string",
		"region":     "object",
		"droplet":    "object?",
		"locked":     "bool",
		"project_id": "string",
	}

	return map[string]fields{
		"account": {
			"email":             "string",
			"uuid":              "uuid",
			"email_verified":    "bool",
			"status":            "string",
			"status_message":    "string",
			"droplet_limit":     "number",
			"floating_ip_limit": "number",
			"team":              "object",
		},
		"ssh_key": {
			"id":          "number",
			"fingerprint": "string",
			"public_key":  "string",
			"name":        "string",
		},
		"region": region,
		"size": {
			"slug":          "string",
			"memory":        "number",
			"vcpus":         "number",
			"disk":          "number",
			"transfer":      "number",
			"price_monthly": "number",
			"price_hourly":  "number",
			"regions":       "list",
			"available":     "bool",
			"description":   "string",
		},
		"image":       image,
		"snapshot":    snapshot,
		"action":      action,
		"reserved_ip": reserved,
		"floating_ip": reserved,
		"droplet": {
			"id":                 "number",
			"name":               "string",
			"memory":             "number",
			"vcpus":              "number",
			"disk":               "number",
			"locked":             "bool",
			"status":             "string",
			"kernel":             "object?",
			"created_at":         "time",
			"features":           "list",
			"backup_ids":         "list",
			"next_backup_window": "object?",
			"snapshot_ids":       "list",
			"image":              "object",
			"volume_ids":         "list",
			"size":               "object",
			"size_slug":          "string",
			"networks":           "object",
			"region":             "object",
			"tags":               "list",
			"vpc_uuid":           "uuid",
		},
		"tag": {"name": "string", "resources": "object"},
		"vpc": {
			"id":          "uuid",
			"urn":         "string",
			"name":        "string",
			"description": "string",
			"region":      "string",
			"ip_range":    "string",
			"created_at":  "time",
			"default":     "bool",
		},
		"load_balancer": {
			"id":                               "uuid",
			"name":                             "string",
			"ip":                               "string",
			"size_unit":                        "number",
			"status":                           "string",
			"created_at":                       "time",
			"region":                           "object",
			"forwarding_rules":                 "list",
			"health_check":                     "object",
			"sticky_sessions":                  "object",
			"droplet_ids":                      "list",
			"tag":                              "string",
			"redirect_http_to_https":           "bool",
			"enable_proxy_protocol":            "bool",
			"enable_backend_keepalive":         "bool",
			"disable_lets_encrypt_dns_records": "bool",
			"http_idle_timeout_seconds":        "number",
			"project_id":                       "string",
			"vpc_uuid":                         "uuid",
			"firewall":                         "object",
			"type":                             "string",
			"network":                          "string",
		},
		"certificate": {
			"id":               "uuid",
			"name":             "string",
			"not_after":        "string",
			"sha1_fingerprint": "string",
			"created_at":       "time",
			"dns_names":        "list",
			"state":            "string",
			"type":             "string",
		},
		"firewall": {
			"id":              "uuid",
			"name":            "string",
			"status":          "string",
			"created_at":      "time",
			"pending_changes": "list",
			"inbound_rules":   "list",
			"outbound_rules":  "list",
			"droplet_ids":     "list",
			"tags":            "list",
		},
		"domain": {
			"name":      "string",
			"ttl":       "number?",
			"zone_file": "string?",
		},
		"domain_record": {
			"id":       "number",
			"type":     "string",
			"name":     "string",
			"data":     "string",
			"priority": "number?",
			"port":     "number?",
			"ttl":      "number",
			"weight":   "number?",
			"flags":    "number?",
			"tag":      "string?",
		},
		"project": {
			"id":          "uuid",
			"owner_uuid":  "uuid",
			"owner_id":    "number",
			"name":        "string",
			"description": "string",
			"purpose":     "string",
			"environment": "string",
			"is_default":  "bool",
			"created_at":  "time",
			"updated_at":  "time",
		},
		"resource": {
			"urn":         "string",
			"assigned_at": "time",
			"links":       "object",
			"status":      "string",
		},
		"volume": {
			"id":               "uuid",
			"region":           "object",
			"name":             "string",
			"description":      "string",
			"size_gigabytes":   "number",
			"droplet_ids":      "list",
			"created_at":       "time",
			"filesystem_type":  "string",
			"filesystem_label": "string",
			"tags":             "list",
		},
		"key": {
			"name":       "string",
			"access_key": "string",
			"created_at": "time",
			"grants":     "list",
		},
		"member": {
			"urn":        "string",
			"name":       "string",
			"created_at": "time",
		},
	}
}
