package acme

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// problemType is what RFC 8555 has problems begin with.
const problemType = "urn:ietf:params:acme:error:"

// answer writes the fault's problem.
func (f *Fault) answer(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")

	if f.RetryAfter > 0 {
		seconds := int64((f.RetryAfter + time.Second - 1) / time.Second)
		w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	}

	w.WriteHeader(f.Status)

	// An error means that the client went away.
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type":   problemType + f.Kind,
		"detail": "a fault of the lab",
		"status": f.Status,
	})
}
