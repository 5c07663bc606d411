package builder_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

type object = map[string]any

// cloud is as much of DigitalOcean as a bake uses. Droplets live at the address of an SSH server on loopback.
type cloud struct {
	*httptest.Server
	ssh     *server
	mutex   sync.Mutex
	nextID  int
	thing   map[string]map[int]object // "droplets", "images", "keys", "actions"; by id
	tags    map[string]bool
	calls   []string
	started []object // each Droplet, as it was asked for
	asked   object   // the body of the last request
	deaf    bool     // its Droplets do not read their user-data
	// before sees each request first; true means that it answered.
	before func(w http.ResponseWriter, r *http.Request, call string) bool
}

func newCloud(t *testing.T) *cloud {
	t.Helper()

	c := &cloud{
		nextID: 100,
		tags:   map[string]bool{},
		thing:  map[string]map[int]object{},
		ssh:    serveSSH(t),
	}

	for _, kind := range []string{"droplets", "images", "keys", "actions"} {
		c.thing[kind] = map[int]object{}
	}

	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)

	return c
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v2/"), "/")
	call := r.Method + " " + shape(parts)
	body := object{}
	if r.Body != nil {
		_ = json.NewDecoder(r.Body).Decode(&body)
	}

	if kind, ok := body["type"].(string); ok {
		call += " " + kind
	}

	c.mutex.Lock()
	c.calls = append(c.calls, call)
	c.asked = body
	before := c.before
	c.mutex.Unlock()

	r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, body))
	if before != nil && before(w, r, call) {
		return
	}

	c.mutex.Lock()
	defer c.mutex.Unlock()

	c.serve(w, r, call, parts, body)
}

type bodyKey struct{}

// work does what a request asks for and keeps the answer.
func (c *cloud) work(r *http.Request, call string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	c.serve(
		httptest.NewRecorder(),
		r,
		call,
		strings.Split(strings.TrimPrefix(r.URL.Path, "/v2/"), "/"),
		r.Context().Value(bodyKey{}).(object),
	)
}

// shape writes a path with numbers as N and tags as TAG.
func shape(parts []string) string {
	parts = slices.Clone(parts)
	for i, part := range parts {
		if _, err := strconv.Atoi(part); err == nil {
			parts[i] = "N"
		}
	}

	if parts[0] == "tags" && len(parts) > 1 {
		parts[1] = "TAG"
	}

	return strings.Join(parts, "/")
}

// request is a request as the handlers of a kind of thing see it.
type request struct {
	query url.Values
	call  string
	parts []string // of the path
	body  object
	id    int // the last number in the path
}

func (c *cloud) serve(w http.ResponseWriter, r *http.Request, call string, parts []string, body object) {
	asked := request{
		query: r.URL.Query(),
		call:  call,
		parts: parts,
		body:  body,
	}

	for _, part := range parts {
		if n, err := strconv.Atoi(part); err == nil {
			asked.id = n
		}
	}

	serves := map[string]func(http.ResponseWriter, request) bool{
		"droplets": c.serveDroplets,
		"images":   c.serveImages,
		"tags":     c.serveTags,
	}[parts[0]]
	if serves == nil {
		serves = c.serveOthers
	}

	if !serves(w, asked) {
		refuse(w, 404, "no such path: "+call)
	}
}

func (c *cloud) serveDroplets(w http.ResponseWriter, r request) bool {
	switch r.call {
	case "GET droplets":
		reply(w, 200, object{"droplets": c.list("droplets", r.query.Get("tag_name"))})
	case "POST droplets":
		reply(w, 202, object{"droplet": c.create(r.body)})
	case "GET droplets/N":
		c.show(w, "droplets", "droplet", r.id)
	case "DELETE droplets/N":
		c.remove(w, "droplets", r.id)

	case "POST droplets/N/actions shutdown", "POST droplets/N/actions power_off":
		c.thing["droplets"][r.id]["status"] = "off"
		c.act(w, "shutdown", nil)

	case "POST droplets/N/actions snapshot":
		c.add("images", object{
			"name":       r.body["name"],
			"status":     "available",
			"regions":    []string{"nyc3"},
			"droplet":    r.id,
			"tags":       []any{},
			"created_at": time.Now().UTC().Format(time.RFC3339),
		})
		c.act(w, "snapshot", r.id)

	case "GET droplets/N/snapshots":
		reply(w, 200, object{"snapshots": c.listBy("images", "droplet", r.id)})
	case "GET droplets/N/actions":
		reply(w, 200, object{"actions": c.listBy("actions", "resource_id", r.id)})
	default:
		return false
	}

	return true
}

func (c *cloud) serveImages(w http.ResponseWriter, r request) bool {
	switch r.call {
	case "GET images":
		all := c.list("images", r.query.Get("tag_name"))
		if r.query.Get("type") == "distribution" {
			all = slices.DeleteFunc(all, func(o object) bool {
				return o["type"] != "base"
			})
		}

		reply(w, 200, object{"images": all})

	case "GET images/N":
		c.show(w, "images", "image", r.id)
	case "DELETE images/N":
		c.remove(w, "images", r.id)

	case "PUT images/N":
		c.thing["images"][r.id]["name"] = r.body["name"]
		c.show(w, "images", "image", r.id)

	case "POST images/N/actions transfer":
		image := c.thing["images"][r.id]
		image["regions"] = append(image["regions"].([]string), r.body["region"].(string))
		c.act(w, "transfer", nil)

	default:
		return false
	}

	return true
}

func (c *cloud) serveTags(w http.ResponseWriter, r request) bool {
	switch r.call {
	case "GET tags":
		all := []object{}
		for tag := range c.tags {
			all = append(all, object{"name": tag})
		}

		reply(w, 200, object{"tags": all})

	case "POST tags":
		c.tags[r.body["name"].(string)] = true
		reply(w, 201, object{"tag": r.body})

	case "DELETE tags/TAG":
		delete(c.tags, r.parts[1])

		for _, image := range c.thing["images"] {
			untag(image, r.parts[1])
		}

		w.WriteHeader(204)

	case "DELETE tags/TAG/resources":
		untag(c.tagged(r), r.parts[1])
		w.WriteHeader(204)

	case "POST tags/TAG/resources":
		image := c.tagged(r)
		image["tags"] = append(image["tags"].([]any), r.parts[1])
		w.WriteHeader(204)

	default:
		return false
	}

	return true
}

func (c *cloud) serveOthers(w http.ResponseWriter, r request) bool {
	switch r.call {
	case "GET account/keys":
		reply(w, 200, object{"ssh_keys": c.list("keys", "")})
	case "POST account/keys":
		reply(w, 201, object{"ssh_key": c.add("keys", object{"name": r.body["name"]})})
	case "DELETE account/keys/N":
		c.remove(w, "keys", r.id)
	case "GET actions/N":
		c.show(w, "actions", "action", r.id)
	case "GET regions":
		reply(w,
			200,
			object{"regions": []object{
				{"slug": "nyc3"},
				{"slug": "ams3"},
				{"slug": "fra1"},
			}},
		)
	default:
		return false
	}

	return true
}

// act answers with an action that is over already. resource is what it was done to, where somebody asks for that.
func (c *cloud) act(w http.ResponseWriter, kind string, resource any) {
	action := object{"status": "completed", "type": kind}
	if resource != nil {
		action["resource_id"] = resource
	}

	reply(w, 201, object{"action": c.add("actions", action)})
}

// tagged is the image that a request to tag or untag names.
func (c *cloud) tagged(r request) object {
	resource := r.body["resources"].([]any)[0].(object)
	id, _ := strconv.Atoi(resource["resource_id"].(string))

	return c.thing["images"][id]
}

func untag(image object, tag string) {
	tags, _ := image["tags"].([]any)
	image["tags"] = slices.DeleteFunc(tags, func(one any) bool { return one == tag })
}

// create makes a Droplet at the address of the SSH server, with the host key of its user-data.
func (c *cloud) create(body object) object {
	c.started = append(c.started, body)

	if userData, _ := body["user_data"].(string); !c.deaf {
		if key := hostKeyIn(userData); key != nil {
			c.ssh.show(key)
		}
	}

	for _, tag := range body["tags"].([]any) {
		c.tags[tag.(string)] = true
	}

	return c.add("droplets", object{
		"name":   body["name"],
		"tags":   body["tags"],
		"status": "active",
		"networks": object{"v4": []object{
			{"type": "public", "ip_address": "127.0.0.1"},
			{"type": "private", "ip_address": "127.0.0.2"},
		}},
	})
}

func (c *cloud) add(kind string, o object) object {
	c.nextID++
	o["id"] = c.nextID
	c.thing[kind][c.nextID] = o

	return o
}

func (c *cloud) list(kind, tag string) []object {
	all := []object{}
	for _, o := range c.thing[kind] {
		tags, _ := o["tags"].([]any)
		if tag == "" || slices.Contains(tags, any(tag)) {
			all = append(all, o)
		}
	}

	return all
}

// listBy lists what has a field of this value.
func (c *cloud) listBy(kind, field string, value any) []object {
	return slices.DeleteFunc(c.list(kind, ""), func(o object) bool {
		return o[field] != value
	})
}

func (c *cloud) show(w http.ResponseWriter, kind, name string, id int) {
	o, ok := c.thing[kind][id]
	if !ok {
		refuse(w, 404, "not there")
		return
	}

	reply(w, 200, object{name: o})
}

func (c *cloud) remove(w http.ResponseWriter, kind string, id int) {
	if _, ok := c.thing[kind][id]; !ok {
		refuse(w, 404, "not there")
		return
	}

	delete(c.thing[kind], id)
	w.WriteHeader(204)
}

// left tells what is in the cloud.
func (c *cloud) left() map[string]int {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	left := map[string]int{
		"droplets":       len(c.thing["droplets"]),
		"images":         len(c.thing["images"]),
		"keys":           len(c.thing["keys"]),
		"tags of builds": 0,
	}

	for tag := range c.tags {
		if strings.HasPrefix(tag, "hornero-build:") {
			left["tags of builds"]++
		}
	}

	return left
}

func (c *cloud) count(call string) int {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	n := 0

	for _, made := range c.calls {
		if made == call {
			n++
		}
	}

	return n
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, message string) {
	reply(w, status, object{"id": "refused", "message": message})
}

// options is a configuration that bakes quickly in the cloud.
func (c *cloud) options(t *testing.T, more object) object {
	t.Helper()

	options := object{
		"api_url":           c.URL,
		"api_token":         "token",
		"role":              "tiny",
		"roles_dir":         writeRoles(t),
		"bootstrap_binary":  writeProgram(t, nil),
		"records_dir":       t.TempDir(),
		"ssh_port":          c.ssh.port,
		"ssh_timeout":       "10s",
		"poll_interval":     time.Millisecond,
		"packer_build_name": "tiny",
		"state_timeout":     5 * time.Second,
		"shutdown_timeout":  200 * time.Millisecond,
		"snapshot_timeout":  5 * time.Second,
		"cleanup_timeout":   5 * time.Second,
	}

	for name, value := range more {
		options[name] = value
	}

	return options
}

func (c *cloud) String() string {
	return fmt.Sprint(c.left())
}
