package spaces

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"

	"github.com/rclone/gofakes3"
)

const xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"

// refusal is an error of S3 whose code gofakes3 does not know. Its type is what gofakes3 sends as it is, with
// the status of a code that it knows.
type refusal struct {
	gofakes3.ErrorResponse
}

// ErrorCode stands for the status: 400.
func (r *refusal) ErrorCode() gofakes3.ErrorCode { return gofakes3.ErrInvalidArgument }

func refuse(code gofakes3.ErrorCode, format string, values ...any) error {
	return &refusal{gofakes3.ErrorResponse{
		Code:    code,
		Message: fmt.Sprintf(format, values...),
	}}
}

type errorDocument struct {
	XMLName  xml.Name `xml:"Error"`
	Code     string
	Message  string
	Resource string `xml:",omitempty"`
}

// writeError answers with an error as S3 shows it. What is no answer of S3's is an internal error; its text
// stays here.
func (g *gate) writeError(w http.ResponseWriter, r *http.Request, err error) {
	var known gofakes3.Error

	// The client must not read paths of this computer.
	if !errors.As(err, &known) {
		g.logger.Print(gofakes3.LogErr, err)

		known = &gofakes3.ErrorResponse{
			Code: gofakes3.ErrInternal,
			Message: "the lab could not read or write " +
				"its files; its log says more",
		}
	}

	document := errorDocument{
		Code:     string(known.ErrorCode()),
		Message:  known.ErrorCode().Message(),
		Resource: r.URL.Path,
	}

	// A refusal borrows its status from a code that gofakes3 knows, but shows its own code.
	var own *refusal
	if errors.As(err, &own) {
		document.Code, document.Message = string(own.Code), own.Message
	}

	writeErrorDocument(w, r, known.ErrorCode().Status(), document)
}

func writeErrorDocument(w http.ResponseWriter, r *http.Request, status int, document errorDocument) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)

	// An answer to HEAD has no body.
	if r.Method == http.MethodHead {
		return
	}

	data, err := xml.Marshal(document)
	if err == nil {
		w.Write(append([]byte(xml.Header), data...)) // a client that is gone misses it
	}
}

func writeXML(w http.ResponseWriter, document any) error {
	data, err := xml.Marshal(document)
	if err != nil {
		return err
	}

	w.Header().Set("Content-Type", "application/xml")
	w.Write(append([]byte(xml.Header), data...)) // a client that is gone misses it

	return nil
}
