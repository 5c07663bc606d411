//go:build root

package website_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// editor is who uploads: a password for programs, which WordPress takes over https only.
type editor struct {
	site     *site
	password string
}

func (s *site) editor() *editor {
	s.t.Helper()

	password := s.web[0].php(`
		$_SERVER["HTTP_HOST"] = "localhost";
		require "/usr/share/wordpress/wp-load.php";
		echo "password=" . WP_Application_Passwords::create_new_application_password(1, ["name" => "test"])[0];
	`)
	_, password, found := strings.Cut(password, "password=")
	require.True(s.t, found)

	return &editor{site: s, password: strings.TrimSpace(password)}
}

// uploaded is an attachment, as WordPress tells it.
type uploaded struct {
	ID      int    `json:"id"`
	Source  string `json:"source_url"`
	Message string `json:"message"`
	Details struct {
		Sizes map[string]struct {
			Source string `json:"source_url"`
		} `json:"sizes"`
	} `json:"media_details"`
}

// paths are those of the picture and of all its sizes.
func (u uploaded) paths() []string {
	sources := map[string]bool{u.Source: true}
	for _, size := range u.Details.Sizes {
		sources[size.Source] = true
	}

	var paths []string

	for source := range sources {
		parsed, err := url.Parse(source)
		if err == nil {
			paths = append(paths, parsed.Path)
		}
	}

	return paths
}

// ask calls WordPress' REST API on a node.
func (e *editor) ask(n *webNode, method, path, kind string, body []byte) (int, uploaded, error) {
	address := "http://" + n.address + "/index.php?rest_route=" + url.QueryEscape(path)
	if method == http.MethodDelete {
		address += "&force=true"
	}

	request, err := http.NewRequest(
		method,
		address,
		bytes.NewReader(body),
	)
	if err != nil {
		return 0, uploaded{}, err
	}

	request.SetBasicAuth("admin", e.password)
	request.Header.Set("X-Forwarded-Proto", "https")
	request.Header.Set("Content-Type", kind)
	request.Header.Set(
		"Content-Disposition",
		`attachment; filename="photo.png"`,
	)

	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, uploaded{}, err
	}
	defer answer.Body.Close()

	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, uploaded{}, err
	}

	var said uploaded
	if err := json.Unmarshal(text, &said); err != nil {
		return answer.StatusCode, uploaded{}, fmt.Errorf("%w: %s", err, text)
	}

	return answer.StatusCode, said, nil
}

// upload uploads a picture on a node.
func (e *editor) upload(n *webNode, picture []byte) uploaded {
	e.site.t.Helper()

	status, said, err := e.ask(
		n,
		http.MethodPost,
		"/wp/v2/media",
		"image/png",
		picture,
	)
	require.NoError(e.site.t, err)
	require.Equal(
		e.site.t,
		http.StatusCreated,
		status,
		said.Message,
	)

	return said
}

// picture is one of a colour of its own, large enough for several sizes.
func picture(t *testing.T, number int) []byte {
	t.Helper()

	drawn := image.NewRGBA(image.Rect(0, 0, 900, 600))
	ground := color.RGBA{
		R: uint8(number * 37),
		G: uint8(number * 91),
		B: uint8(number),
		A: 255,
	}

	for at := 0; at < len(drawn.Pix); at += 4 {
		copy(
			drawn.Pix[at:],
			[]byte{ground.R, ground.G, ground.B, ground.A},
		)
	}

	var out bytes.Buffer
	require.NoError(t, png.Encode(&out, drawn))

	return out.Bytes()
}

// quarterTurn has WordPress make a new picture of one, turned.
func (e *editor) quarterTurn(n *webNode, of uploaded) uploaded {
	e.site.t.Helper()

	path := fmt.Sprintf("/wp/v2/media/%d/edit", of.ID)
	body := fmt.Appendf(
		nil,
		`{"src": %q, "rotation": 90}`,
		of.Source,
	)

	status, turned, err := e.ask(
		n,
		http.MethodPost,
		path,
		"application/json",
		body,
	)
	require.NoError(e.site.t, err)
	require.Equal(
		e.site.t,
		http.StatusCreated,
		status,
		turned.Message,
	)

	return turned
}

// remove deletes a picture on a node, and wants all of it to be gone everywhere.
func (e *editor) remove(n *webNode, of uploaded) {
	e.site.t.Helper()

	path := fmt.Sprintf("/wp/v2/media/%d", of.ID)

	status, _, err := e.ask(
		n,
		http.MethodDelete,
		path,
		"",
		nil,
	)
	require.NoError(e.site.t, err)
	require.Equal(e.site.t, http.StatusOK, status)

	for _, path := range of.paths() {
		e.site.gone(path)
	}
}
