//go:build root && browser

package website_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

const (
	// browserAddress is the visitor's whom the browser belongs to.
	browserAddress = "10.108.7.3"

	// siteName is the site that the browser is sent to: the load balancer answers for it.
	siteName = "www.example.org"

	// browserPatience is for a page of a busy machine: the editor is eight megabytes of scripts.
	browserPatience = 3 * time.Minute
)

// browser is a Chromium without a window, on a node of its own.
type browser struct {
	t    *testing.T
	node *node
	ctx  context.Context // of its only tab
}

// newBrowser starts Chromium. All names but the site's lead nowhere: nothing outside is asked.
func newBrowser(t *testing.T) *browser {
	t.Helper()

	debian := os.Getenv("HORNERO_WEBSITE_BROWSER_ROOT")
	require.NotEmpty(t, debian, "scripts/website.sh names the root and runs these tests")

	b := &browser{
		t:    t,
		node: newNode(t, "browser", browserAddress, debian),
	}

	said := &bytes.Buffer{}

	options := append(
		chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(lookPath(t, "ip")),
		chromedp.ModifyCmdFunc(b.enter),
		chromedp.NoInheritEnv,
		chromedp.CombinedOutput(said),
		chromedp.UserDataDir("/tmp/profile"),
		chromedp.WindowSize(1400, 1000),
		chromedp.IgnoreCertErrors,
		chromedp.DisableGPU,
		// Chromium refuses its sandbox to root, and the kernel refuses it in a chroot. It sees the test's own site
		// alone.
		chromedp.NoSandbox,
		chromedp.Flag("host-resolver-rules", "MAP "+siteName+" "+self+", MAP * ~NOTFOUND"),
	)

	allocator, end := chromedp.NewExecAllocator(t.Context(), options...)
	tab, closeTab := chromedp.NewContext(allocator)
	b.ctx = tab

	t.Cleanup(func() {
		closeTab()
		end()

		if t.Failed() {
			t.Logf("Chromium: %s", said)
		}
	})

	require.NoError(t, chromedp.Do(tab))
	b.acceptDialogs()

	return b
}

func lookPath(t *testing.T, name string) string {
	t.Helper()

	path, err := exec.LookPath(name)
	require.NoError(t, err)

	return path
}

// enter makes Chromium's command one on its node.
func (b *browser) enter(command *exec.Cmd) {
	own := b.node.command("chromium")

	command.Args = append(own.Args, command.Args[1:]...)
	command.Env = own.Env
	command.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
	}
}

// acceptDialogs says yes to what a page asks, as whether a picture is to be deleted.
func (b *browser) acceptDialogs() {
	dialogs := chromedp.Events(b.ctx, page.JavascriptDialogOpening)

	go func() {
		for _, err := range dialogs {
			if err != nil {
				return
			}

			yes := page.HandleJavaScriptDialogParams{Accept: true}
			_, _ = chromedp.Call(b.ctx, page.HandleJavaScriptDialog, yes) // whoever waits for its effect tells
		}
	}()
}

// open goes to a page of the site.
func (b *browser) open(path string) {
	b.t.Helper()

	to := page.NavigateParams{URL: "https://" + siteName + path}

	// What is waited for is on the page, and not that every icon of it was loaded.
	_, err := chromedp.Call(b.ctx, page.Navigate, to)
	require.NoError(b.t, err, path)
}

// errNotYet is a page that is not as it is waited for.
var errNotYet = errors.New("not yet")

// finder finds an element of the page or of the editor's canvas, which is a frame.
const finder = `
	const find = (selector) => {
		const canvas = document.querySelector('iframe[name="editor-canvas"]');
		const pages = [document, canvas?.contentDocument];
		return pages.map((page) => page?.querySelector(selector)).find((found) => found) ?? null;
	};
`

// script is the body of a function, with find() at hand.
func script(body string) string {
	return "(() => {" + finder + body + "})()"
}

// wait runs a script until what it returns is neither null, false nor empty, and returns that.
func (b *browser) wait(what, body string) string {
	b.t.Helper()

	begun := time.Now()

	for {
		found, err := b.ask(body)
		if err == nil {
			b.t.Logf("%s: after %s", what, time.Since(begun).Round(tick))
			return found
		}

		if time.Since(begun) > browserPatience {
			b.t.Logf("%s", b.shows())
			require.NoError(b.t, err, what)
		}

		time.Sleep(5 * tick)
	}
}

// ask runs a script once.
func (b *browser) ask(body string) (string, error) {
	ctx, stop := context.WithTimeout(b.ctx, time.Minute)
	defer stop()

	// A page that is on its way out has no answer.
	raw, err := chromedp.Run(ctx, chromedp.Evaluate[json.RawMessage](script(body)))
	if err != nil {
		return "", err
	}

	var found any
	if err := json.Unmarshal(raw, &found); err != nil {
		return "", err
	}

	switch found {
	case nil, false, "":
		return "", errNotYet
	}

	return fmt.Sprint(found), nil
}

// shows is what a person would see, for a test that failed.
func (b *browser) shows() string {
	const text = `
		const canvas = find(".is-root-container")?.innerText ?? "";
		return location.href + "\n" + document.body.innerText + "\n" + canvas;
	`

	shown, err := b.ask(text)
	if err != nil {
		return err.Error()
	}

	return shown
}

// see waits for an element.
func (b *browser) see(selector string) {
	b.t.Helper()
	b.wait("see "+selector, `return find(`+quoted(selector)+`) !== null`)
}

// click waits for an element that can be clicked, and clicks it wherever the page has moved it to meanwhile.
func (b *browser) click(selector string) {
	b.t.Helper()

	b.wait("click "+selector, `
		const found = find(`+quoted(selector)+`);
		if (!found || found.disabled || found.getAttribute("aria-disabled") === "true") {
			return false;
		}
		found.click();
		return true;
	`)
}

// write puts the cursor into an element, and types.
func (b *browser) write(selector, text string) {
	b.t.Helper()

	b.wait("write into "+selector, `
		const found = find(`+quoted(selector)+`);
		found?.focus();
		return found !== null && found.ownerDocument.activeElement === found;
	`)

	_, err := chromedp.Call(b.ctx, input.InsertText, input.InsertTextParams{Text: text})
	require.NoError(b.t, err)
}

// choose gives a field for files one that is on the browser's node.
func (b *browser) choose(selector, path string) {
	b.t.Helper()
	b.see(selector)

	find := chromedp.Evaluate[*runtime.RemoteObject](script(`return find(` + quoted(selector) + `)`))
	field, err := chromedp.Run(b.ctx, find)
	require.NoError(b.t, err)

	_, err = chromedp.Call(b.ctx, dom.SetFileInputFiles, dom.SetFileInputFilesParams{
		Files:    []string{path},
		ObjectID: field.ObjectID,
	})
	require.NoError(b.t, err)
}

// quoted is a text as a script has it.
func quoted(text string) string {
	encoded, err := json.Marshal(text)
	if err != nil {
		return ""
	}

	return strings.TrimSpace(string(encoded))
}
