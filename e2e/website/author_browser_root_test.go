//go:build root && browser

package website_test

import (
	"net/url"
	"strings"

	"github.com/stretchr/testify/require"
)

// author is who writes, by WordPress' own pages.
type author struct {
	*browser

	site *site
}

func newAuthor(s *site) *author {
	s.t.Helper()

	return &author{
		browser: newBrowser(s.t),
		site:    s,
	}
}

// signIn signs in as the administrator.
func (a *author) signIn() {
	a.t.Helper()

	a.open("/wp-login.php")
	a.write("#user_login", "admin")
	a.write("#user_pass", a.site.secrets["wordpress.admin_password"].Reveal())
	a.click("#wp-submit")
	a.see("#wpadminbar")
}

// begin begins a post in the block editor, and gives its number.
func (a *author) begin(title string) string {
	a.t.Helper()

	a.open("/wp-admin/post-new.php")
	a.see(".editor-post-title__input")

	// The editor greets who is new to it, as soon as it knows that he is.
	a.click(`.components-modal__header button, .edit-post-welcome-guide button[aria-label="Close"]`)
	a.wait("the greeting is gone", `return find(".components-modal__frame") === null`)

	a.write(".editor-post-title__input", title)

	return a.wait("the post's number", `return wp.data.select("core/editor").getCurrentPostId()`)
}

// addPicture puts a picture into the post by a block of the editor, and gives its path once the editor shows it from
// the site.
func (a *author) addPicture(file string) string {
	a.t.Helper()

	a.click(".editor-document-tools__inserter-toggle")
	a.click(".editor-block-list-item-image")
	a.choose(`.wp-block-image input[type="file"]`, file)

	// While it is on its way, the editor shows its own copy, which has another scheme.
	const shown = `
		const picture = find(".wp-block-image img");
		return picture?.complete && picture.naturalWidth > 0 && picture.src.startsWith("https:") && picture.src;
	`

	return pathOf(a.wait("the editor shows the picture", shown))
}

// publish publishes the post, and gives its path.
func (a *author) publish() string {
	a.t.Helper()

	a.click(".editor-post-publish-button__button")
	a.click(".editor-post-publish-panel__header-publish-button button")

	return pathOf(a.wait("the post is published", `return find(".post-publish-panel__postpublish-header a")?.href`))
}

// attachmentOf is the number of the picture in the editor's post.
func (a *author) attachmentOf(post string) string {
	a.t.Helper()

	return a.wait("the picture's number", `
		const post = wp.data.select("core/editor");
		const blocks = wp.data.select("core/block-editor").getBlocks();
		return String(post.getCurrentPostId()) === `+quoted(post)+`
			&& blocks.find((block) => block.name === "core/image").attributes.id;
	`)
}

// turn opens a picture in the media library's editor, and turns it. Nothing is saved yet.
func (a *author) turn(attachment string) {
	a.t.Helper()

	a.open("/wp-admin/post.php?action=edit&post=" + attachment)
	a.click("#imgedit-open-btn-" + attachment)

	// The buttons are there before the picture is, and do nothing then.
	a.wait("the picture to edit", `
		const picture = find("#image-preview-`+attachment+`");
		return picture?.complete && picture.naturalWidth > 0;
	`)
	a.click(".imgedit-rotate")
	a.click(".imgedit-rleft")
	a.see(".imgedit-submit-btn:enabled")
}

// save saves the turned picture, and gives its path, which is another than before.
func (a *author) save(attachment, before string) string {
	a.t.Helper()

	a.click(".imgedit-submit-btn:enabled")
	a.see("#imgedit-open-btn-" + attachment + ":enabled")
	a.wait("the picture was saved", `return find(".imgedit-wrap") === null`)

	a.open("/wp-admin/post.php?action=edit&post=" + attachment)
	path := pathOf(a.wait("the picture's address", `
		const address = find("#attachment_url")?.value;
		return address && !address.endsWith(`+quoted(before)+`) && address;
	`))
	require.Contains(a.t, path, "-e", "WordPress' name of an edited picture")

	return path
}

// files are the paths of a picture's files: those of all its sizes, as it is and as it was.
func (a *author) files(attachment string) []string {
	a.t.Helper()

	listed := a.site.living()[0].php(`
		$_SERVER["HTTP_HOST"] = "` + siteName + `";
		require "/usr/share/wordpress/wp-load.php";
		$meta = wp_get_attachment_metadata(` + attachment + `);
		$names = array_column($meta["sizes"], "file");
		foreach (get_post_meta(` + attachment + `, "_wp_attachment_backup_sizes", true) as $size) {
			$names[] = $size["file"];
		}
		$names[] = basename($meta["file"]);
		foreach (array_unique($names) as $name) {
			echo "path=/wp-content/uploads/", dirname($meta["file"]), "/", $name, "\n";
		}
	`)

	var paths []string

	for line := range strings.Lines(listed) {
		if path, found := strings.CutPrefix(strings.TrimSpace(line), "path="); found {
			paths = append(paths, path)
		}
	}

	return paths
}

// remove deletes a picture for good, on its own page.
func (a *author) remove(attachment string) {
	a.t.Helper()

	a.open("/wp-admin/post.php?action=edit&post=" + attachment)
	a.click(".submitdelete")
	a.wait("the picture is deleted", `return location.pathname.endsWith("/upload.php")`)
}

// pathOf is the path of an address.
func pathOf(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return ""
	}

	return parsed.Path
}
