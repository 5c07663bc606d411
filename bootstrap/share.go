package bootstrap

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/hornero/hornero/internal/file"
)

// shareFile keeps in the agent's folder what part of its role's visitors this node and its like get, in percent: as a
// canary at an edge. A node without one gets as much as the others.
const shareFile = "share"

// share is that part; "" where nobody gave one.
func (a *Agent) share() string {
	text, err := os.ReadFile(filepath.Join(a.State, shareFile))
	if err != nil {
		return ""
	}

	return string(text)
}

// serveShare takes another part, and 0 for as much as the others. The peer set hears of it at once, and so the edge.
func (a *Agent) serveShare(w http.ResponseWriter, r *http.Request) {
	percent, err := strconv.Atoi(r.FormValue("percent"))
	if err != nil || percent < 0 || percent > 99 {
		http.Error(w, "a share is 1 to 99 percent, or 0 for none", http.StatusBadRequest)
		return
	}

	path := filepath.Join(a.State, shareFile)

	if percent == 0 {
		err = os.Remove(path)
	} else {
		_, err = file.Write(path, []byte(strconv.Itoa(percent)), file.Options{Mode: 0o600})
	}

	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}

	a.reportNow.Ring()
	answer(w, err)
}
