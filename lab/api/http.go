package api

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
)

// Error is an answer that is not the one asked for.
type Error struct {
	Status  int
	Message string
}

func (e *Error) Error() string { return e.Message }

func failure(status int, format string, args ...any) *Error {
	return &Error{
		Status:  status,
		Message: fmt.Sprintf(format, args...),
	}
}

func notFound() *Error {
	return failure(http.StatusNotFound, "The resource you were accessing could not be found.")
}

func invalid(format string, args ...any) *Error {
	return failure(http.StatusUnprocessableEntity, format, args...)
}

// errorIDs are DigitalOcean's words for statuses.
func errorIDs() map[int]string {
	return map[int]string{
		http.StatusBadRequest:            "bad_request",
		http.StatusUnauthorized:          "unauthorized",
		http.StatusForbidden:             "forbidden",
		http.StatusNotFound:              "not_found",
		http.StatusMethodNotAllowed:      "method_not_allowed",
		http.StatusConflict:              "conflict",
		http.StatusRequestEntityTooLarge: "request_entity_too_large",
		http.StatusPreconditionFailed:    "precondition_failed",
		http.StatusUnprocessableEntity:   "unprocessable_entity",
		http.StatusTooManyRequests:       "too_many_requests",
		http.StatusNotImplemented:        "not_implemented",
	}
}

func errorID(status int) string {
	return cmp.Or(errorIDs()[status], "server_error")
}

// reply is an answer: a nil body is sent as no body at all.
type reply struct {
	status int
	body   any
}

func noContent() *reply { return &reply{status: http.StatusNoContent} }

// one is an answer with one value under its key.
func one(status int, key string, value any) *reply {
	return &reply{
		status: status,
		body:   map[string]any{key: value},
	}
}

// handler answers one kind of request. An error that is no *Error becomes a 500 and is logged.
type handler func(r *http.Request) (*reply, error)

// answer turns a handler into an http.Handler.
func (s *Server) answer(handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := handle(r)
		if err != nil {
			s.writeError(w, r, err)
			return
		}

		// the state is written by now: a client never sees what is not kept
		writeReply(w, answer)
	})
}

func (s *Server) writeError(w http.ResponseWriter, r *http.Request, err error) {
	var known *Error
	if !errors.As(err, &known) {
		s.Logger.Error("request not answered", "method", r.Method, "path", r.URL.Path, "err", err)

		// clients repeat a 5xx, so that only what the lab does not understand itself is one
		known = failure(http.StatusInternalServerError, "%s", err)
	}

	writeReply(w, &reply{
		status: known.Status,
		body: map[string]string{
			"id":         errorID(known.Status),
			"message":    known.Message,
			"request_id": w.Header().Get("x-request-id"),
		},
	})
}

// writeReply encodes the body before it sends the status: an answer that can't be encoded becomes a 500, not half of
// an answer.
func writeReply(w http.ResponseWriter, answer *reply) {
	if answer.body == nil {
		w.WriteHeader(answer.status)
		return
	}

	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)

	if err := encoder.Encode(answer.body); err != nil {
		panic(fmt.Sprintf("encode an answer: %v", err))
	}

	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(answer.status)
	w.Write(body.Bytes())
}

// maxBody is the largest request that is read: ten times the largest user-data.
const maxBody = 1 << 20

// guard is what every request passes before its handler: headers, rate limits, the token, unknown paths. It turns a
// panic into an answer.
func (s *Server) guard(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.recoverPanic(w, r)

		// godo shows the id of each failed request
		w.Header().Set("x-request-id", newUUID())

		// before the token is looked at: a 401 tells the limits in its headers as well
		over := s.limiter.count(w.Header(), r, s.Now())

		if refused := s.authorize(r); refused != nil {
			s.writeError(w, r, refused)
			return
		}

		// the lab's own paths have no limits: tests lift faults by them
		if over && s.RateLimit && !strings.HasPrefix(r.URL.Path, "/lab/") {
			s.writeError(w, r, failure(http.StatusTooManyRequests, "API Rate limit exceeded."))
			return
		}

		// the limiter sets it for every request that is over, and this one is let through
		w.Header().Del("retry-after")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)

		// the mux's own 404 is plain text, which breaks the clients' messages
		if _, pattern := mux.Handler(r); pattern == "" {
			s.writeError(w, r, noRoute(mux, r))
			return
		}

		s.answerWithFaults(w, r, mux)
	})
}

// noRoute tells a path that does not exist from one that takes other methods.
func noRoute(mux *http.ServeMux, r *http.Request) *Error {
	methods := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

	for _, method := range methods {
		other := &http.Request{
			Method: method,
			URL:    r.URL,
			Host:   r.Host,
		}

		if _, pattern := mux.Handler(other); pattern != "" {
			return failure(http.StatusMethodNotAllowed, "The method %s is not allowed here.", r.Method)
		}
	}

	return notFound()
}

func (s *Server) recoverPanic(w http.ResponseWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}

	// a fault cut the answer off on purpose: net/http closes the connection
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(cause)
	}

	s.Logger.Error("request panicked",
		"method", r.Method,
		"path", r.URL.Path,
		"panic", fmt.Sprint(cause),
		"stack", string(debug.Stack()),
	)

	s.writeError(w, r, failure(http.StatusInternalServerError, "the lab panicked; its log says where"))
}

// authorize returns why a request's token does not allow it; nil when it does.
func (s *Server) authorize(r *http.Request) error {
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)

	bearer := strings.EqualFold(kind, "Bearer")

	// the comparison takes the same time however much of a guess is right
	whole := subtle.ConstantTimeCompare([]byte(token), []byte(s.Token)) == 1

	if bearer && whole {
		return nil
	}

	// any other token may still be one that the lab made with fewer rights
	scopes, known := scopesOf(s.Token, token)

	switch {
	case !known || !bearer:
		return failure(http.StatusUnauthorized, "Unable to authenticate you")
	case !allowed(scopes, r):
		return failure(http.StatusForbidden, "You are not authorized to perform this operation")
	}

	return nil
}

// decode reads a request's JSON body.
func decode(r *http.Request, target any) error {
	data, err := readBody(r)
	if err != nil {
		return err
	}

	// null, a list or a text would leave the target as it is, which then looks like an empty request
	object := bytes.HasPrefix(bytes.TrimSpace(data), []byte("{"))
	if json.Valid(data) && !object {
		return failure(http.StatusBadRequest, "The request is not a JSON object.")
	}

	err = json.Unmarshal(data, target)

	var wrongType *json.UnmarshalTypeError

	// a wrong type is 422 like all other values that are refused
	if errors.As(err, &wrongType) {
		return invalid("%s has the wrong type: a JSON %s", wrongType.Field, wrongType.Value)
	}

	// the fields that read themselves (idOrName, volumeRef) say what is wrong in their own words
	var refused *Error
	if errors.As(err, &refused) {
		return refused
	}

	if err != nil {
		return failure(http.StatusBadRequest, "The request is not valid JSON: %v", err)
	}

	return nil
}

func readBody(r *http.Request) ([]byte, error) {
	data, err := io.ReadAll(r.Body)

	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, failure(http.StatusRequestEntityTooLarge, "The request is larger than %d bytes.", maxBody)
	}

	if err != nil {
		return nil, failure(http.StatusBadRequest, "The request could not be read: %v", err)
	}

	return data, nil
}

// number reads a path segment that is a number. Any other segment names nothing, and is not found.
func number(r *http.Request, name string) (int, error) {
	// DigitalOcean answers 404 and not 400 for a name where a number belongs
	id, err := strconv.Atoi(r.PathValue(name))
	if err != nil {
		return 0, notFound()
	}

	return id, nil
}

const (
	defaultPerPage = 20
	maxPerPage     = 200
)

// list is the envelope of one page of a list, with links that keep the request's filters.
func list[T any](r *http.Request, key string, all []T) *reply {
	return listed(r, key, all, func(one T) T { return one })
}

// listed is a list that shows only the elements on the page: showing one may cost more than finding it.
func listed[T, S any](r *http.Request, key string, all []T, show func(T) S) *reply {
	page := pageNumber(r, "page", 1)

	// DigitalOcean gives at most 200 on a page, whatever is asked for
	perPage := min(pageNumber(r, "per_page", defaultPerPage), maxPerPage)

	// an empty list has one page too; a page past the last is empty
	last := max((len(all)+perPage-1)/perPage, 1)
	from := min((page-1)*perPage, len(all))
	to := min(from+perPage, len(all))

	shown := []S{}
	for _, one := range all[from:to] {
		shown = append(shown, show(one))
	}

	return &reply{
		status: http.StatusOK,
		body: map[string]any{
			key:     shown,
			"links": pageLinks(r, page, last),
			"meta":  map[string]int{"total": len(all)},
		},
	}
}

func pageNumber(r *http.Request, name string, otherwise int) int {
	// the upper limit keeps page times per_page from overflowing
	if n, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil && n > 0 && n < 1<<20 {
		return n
	}

	return otherwise
}

func pageLinks(r *http.Request, page, last int) map[string]any {
	pages := map[string]string{}

	// godo takes the last page for what has no next; doctl counts pages by last
	if page > 1 {
		pages["first"] = pageURL(r, 1)
		pages["prev"] = pageURL(r, min(page-1, last))
	}

	if page < last {
		pages["next"] = pageURL(r, page+1)
		pages["last"] = pageURL(r, last)
	}

	if len(pages) == 0 {
		return map[string]any{}
	}

	return map[string]any{"pages": pages}
}

func pageURL(r *http.Request, page int) string {
	// all other filters stay in the link
	query := r.URL.Query()
	query.Set("page", strconv.Itoa(page))
	return absolute(r, r.URL.Path+"?"+query.Encode())
}

func absolute(r *http.Request, path string) string {
	// godo reads the page's number out of an absolute URL only
	return (&url.URL{Scheme: "http", Host: r.Host}).String() + path
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:])

	// version 4, and the variant of RFC 4122: clients check both
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80

	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}

	return list
}
