package api

import (
	"bytes"
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

// errorID is DigitalOcean's word for a status.
func errorID(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "bad_request"
	case http.StatusUnauthorized:
		return "unauthorized"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusNotFound:
		return "not_found"
	case http.StatusMethodNotAllowed:
		return "method_not_allowed"
	case http.StatusConflict:
		return "conflict"
	case http.StatusRequestEntityTooLarge:
		return "request_entity_too_large"
	case http.StatusPreconditionFailed:
		return "precondition_failed"
	case http.StatusUnprocessableEntity:
		return "unprocessable_entity"
	case http.StatusTooManyRequests:
		return "too_many_requests"
	case http.StatusNotImplemented:
		return "not_implemented"
	}

	return "server_error"
}

// reply is an answer: a nil body is sent as no body at all.
type reply struct {
	status int
	body   any
}

func noContent() *reply { return &reply{status: http.StatusNoContent} }

// one is the envelope of one thing.
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

		writeReply(w, answer)
	})
}

func (s *Server) writeError(w http.ResponseWriter, r *http.Request, err error) {
	var known *Error
	if !errors.As(err, &known) {
		s.Logger.Error("request not answered", "method", r.Method, "path", r.URL.Path, "err", err)
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

// guard is what every request passes: headers, the token, unknown paths, panics.
func (s *Server) guard(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.recoverPanic(w, r)

		w.Header().Set("x-request-id", newUUID())

		over := s.limiter.count(w.Header(), r, s.Now())

		if refused := s.authorize(r); refused != nil {
			s.writeError(w, r, refused)
			return
		}

		if over && s.RateLimit && !strings.HasPrefix(r.URL.Path, "/lab/") {
			s.writeError(w, r, failure(http.StatusTooManyRequests, "API Rate limit exceeded."))
			return
		}

		w.Header().Del("retry-after")

		r.Body = http.MaxBytesReader(w, r.Body, maxBody)

		if _, pattern := mux.Handler(r); pattern == "" {
			s.writeError(w, r, noRoute(mux, r))
			return
		}

		s.answerWithFaults(w, r, mux)
	})
}

// noRoute tells a path that is nowhere from one that takes other methods.
func noRoute(mux *http.ServeMux, r *http.Request) *Error {
	for _, method := range []string{
		http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	} {
		other := &http.Request{
			Method: method,
			URL:    r.URL,
			Host:   r.Host,
		}

		if _, pattern := mux.Handler(other); pattern != "" {
			return failure(
				http.StatusMethodNotAllowed,
				"The method %s is not allowed here.",
				r.Method,
			)
		}
	}

	return notFound()
}

func (s *Server) recoverPanic(w http.ResponseWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}

	if cause == http.ErrAbortHandler {
		panic(cause)
	}

	s.Logger.Error("request panicked",
		"method", r.Method,
		"path", r.URL.Path,
		"panic", fmt.Sprint(cause),
		"stack", string(debug.Stack()),
	)

	s.writeError(w,
		r,
		failure(http.StatusInternalServerError, "the lab panicked; its log says where"),
	)
}

// authorize returns why a request's token does not allow it; nil when it does.
func (s *Server) authorize(r *http.Request) error {
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if strings.EqualFold(kind, "Bearer") && subtle.ConstantTimeCompare(
		[]byte(token),
		[]byte(s.Token),
	) == 1 {
		return nil
	}

	scopes, known := scopesOf(s.Token, token)

	switch {
	case !known || !strings.EqualFold(kind, "Bearer"):
		return failure(http.StatusUnauthorized, "Unable to authenticate you")
	case !allowed(scopes, r):
		return failure(http.StatusForbidden, "You are not authorized to perform this operation")
	}

	return nil
}

// decode reads a request's JSON body.
func decode(r *http.Request, target any) error {
	data, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return failure(
			http.StatusRequestEntityTooLarge,
			"The request is larger than %d bytes.",
			maxBody,
		)
	}

	if err != nil {
		return failure(http.StatusBadRequest, "The request could not be read: %v", err)
	}

	if json.Valid(data) && !bytes.HasPrefix(
		bytes.TrimSpace(data),
		[]byte("{"),
	) {
		return failure(http.StatusBadRequest, "The request is not a JSON object.")
	}

	err = json.Unmarshal(data, target)
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return invalid("%s has the wrong type: a JSON %s", wrongType.Field, wrongType.Value)
	}

	var refused *Error
	if errors.As(err, &refused) {
		return refused
	}

	if err != nil {
		return failure(http.StatusBadRequest, "The request is not valid JSON: %v", err)
	}

	return nil
}

// number reads a path segment that is a number; what is none names nothing.
func number(r *http.Request, name string) (int, error) {
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

// listed is list of things of which only those on the page are shown: showing one may cost more than having it.
func listed[T, S any](r *http.Request, key string, all []T, show func(T) S) *reply {
	page, perPage := pageNumber(r,
		"page",
		1,
	), min(pageNumber(r, "per_page", defaultPerPage), maxPerPage)

	last := max((len(all)+perPage-1)/perPage, 1)
	from := min((page-1)*perPage, len(all))
	shown := []S{}

	for _, one := range all[from:min(from+perPage, len(all))] {
		shown = append(shown, show(one))
	}

	return &reply{
		status: http.StatusOK,
		body: map[string]any{
			key: shown,
			"links": pageLinks(r,
				page,
				last,
			),
			"meta": map[string]int{"total": len(all)},
		},
	}
}

func pageNumber(r *http.Request, name string, otherwise int) int {
	if n, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil && n > 0 && n < 1<<20 {
		return n
	}

	return otherwise
}

func pageLinks(r *http.Request, page, last int) map[string]any {
	pages := map[string]string{}
	if page > 1 {
		pages["first"], pages["prev"] = pageURL(r, 1), pageURL(r, min(page-1, last))
	}
	if page < last {
		pages["next"], pages["last"] = pageURL(r, page+1), pageURL(r, last)
	}
	if len(pages) == 0 {
		return map[string]any{}
	}

	return map[string]any{"pages": pages}
}

func pageURL(r *http.Request, page int) string {
	query := r.URL.Query()
	query.Set("page", strconv.Itoa(page))
	return absolute(r, r.URL.Path+"?"+query.Encode())
}

func absolute(r *http.Request, path string) string {
	return (&url.URL{Scheme: "http", Host: r.Host}).String() + path
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80

	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}

	return list
}
