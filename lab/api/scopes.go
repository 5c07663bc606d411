package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

// A token with scopes may do less than all, as DigitalOcean's custom scopes. The lab keeps no list of them: the token
// holds its scopes, and a signature made with the lab's whole token.

// scopedPrefix begins such a token.
const scopedPrefix = "dop_v1_scoped."

// ScopedToken makes a token that may do what the scopes say, as in reserved_ip:update, and what they need.
func ScopedToken(whole string, scopes ...string) string {
	payload := hex.EncodeToString([]byte(strings.Join(scopes, ",")))
	return scopedPrefix + payload + "." + sign(whole, payload)
}

func sign(whole, payload string) string {
	mac := hmac.New(sha256.New, []byte(whole))
	mac.Write([]byte(payload))
	return hex.EncodeToString(mac.Sum(nil))
}

// scopesOf reads a token's scopes; false for one that is not the lab's.
func scopesOf(whole, token string) ([]string, bool) {
	rest, scoped := strings.CutPrefix(token, scopedPrefix)
	payload, signature, _ := strings.Cut(rest, ".")

	// the signature is checked before anything in the token is believed
	genuine := hmac.Equal([]byte(signature), []byte(sign(whole, payload)))

	if !scoped || !genuine {
		return nil, false
	}

	text, err := hex.DecodeString(payload)

	return strings.Split(string(text), ","), err == nil
}

// neededScopes come with a scope ("Scopes for API Tokens").
var neededScopes = map[string][]string{
	"reserved_ip:update": {
		"reserved_ip:read",
		"droplet:read",
		"image:read",
		"regions:read",
		"sizes:read",
		"actions:read",
	},
}

// scopeNames are what scopes call the resources; a token with scopes reaches no others in the lab.
var scopeNames = map[string]string{
	"account":      "account",
	"actions":      "actions",
	"droplets":     "droplet",
	"floating_ips": "reserved_ip",
	"images":       "image",
	"regions":      "regions",
	"reserved_ips": "reserved_ip",
	"sizes":        "sizes",
	"tags":         "tag",
}

// allowed tells whether a token with these scopes may make a request.
func allowed(scopes []string, r *http.Request) bool {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v2/"), "/")

	// what is not in the table is closed to all tokens with scopes
	name, known := scopeNames[parts[0]]
	if !known || !strings.HasPrefix(r.URL.Path, "/v2/") {
		return false
	}

	verbs := map[string]string{
		http.MethodGet:    "read",
		http.MethodHead:   "read",
		http.MethodPost:   "create",
		http.MethodPut:    "update",
		http.MethodPatch:  "update",
		http.MethodDelete: "delete",
	}

	// an action changes what it is an action of, and makes nothing new
	verb := verbs[r.Method]
	if r.Method == http.MethodPost && parts[len(parts)-1] == "actions" {
		verb = "update"
	}

	wanted := name + ":" + verb

	return slices.ContainsFunc(scopes, func(scope string) bool {
		return scope == wanted || slices.Contains(neededScopes[scope], wanted)
	})
}
