//go:build root

package website_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	spaceclient "github.com/hornero/hornero/internal/space"
)

// oldPictures is where an old site's plugins put its uploads.
const oldPictures = "http://" + self + ":7480/old-pictures/files"

// putOld puts a picture into the old site's Space.
func putOld(t *testing.T, key, picture string) {
	t.Helper()

	client := spaceclient.Client{
		Endpoint: "http://" + self + ":7480",
		Region:   "fra1",
		Bucket:   "old-pictures",
		Key:      "KEY",
		Secret:   "secret",
	}

	there, err := client.Exists(t.Context())
	require.NoError(t, err)

	if !there {
		require.NoError(t, client.MakeBucket(t.Context()))
	}

	require.NoError(t, client.Put(t.Context(), spaceclient.Upload{
		Key:  key,
		Body: strings.NewReader(picture),
		Size: int64(len(picture)),
		Sum:  fmt.Sprintf("%x", sha256.Sum256([]byte(picture))),
		Type: "image/png",
		ACL:  spaceclient.Public,
	}))
}

// oldSite is what the database of such a site says. One plugin writes where uploads are into WordPress' options, the
// other one a row for each attachment, whose object has the time of its upload in its name.
const oldSite = `
update_option('upload_path', '/var/www/old.example.org/wp-content/uploads');
update_option('upload_url_path', 'OLD');
$post = wp_insert_post(['post_title' => 'Moved', 'post_status' => 'publish',
	'post_content' => '<img src="OLD/2024/01/plain.png">']);
$id = wp_insert_attachment(['post_title' => 'Timed', 'post_mime_type' => 'image/png'], '2024/02/timed.png');
wp_update_attachment_metadata($id, ['file' => '2024/02/timed.png', 'width' => 640, 'height' => 480, 'sizes' => [
	'medium' => ['file' => 'timed-300x225.png', 'width' => 300, 'height' => 225, 'mime-type' => 'image/png'],
]]);
$wpdb->query("CREATE TABLE {$wpdb->prefix}as3cf_items (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
	bucket VARCHAR(255), path VARCHAR(1024), original_path VARCHAR(1024), is_private BOOLEAN, source_type VARCHAR(18),
	source_id BIGINT UNSIGNED, source_path VARCHAR(1024), original_source_path VARCHAR(1024), extra_info LONGTEXT)");
$wpdb->insert("{$wpdb->prefix}as3cf_items", ['bucket' => 'old-pictures', 'path' => 'files/2024/02/02103045/timed.png',
	'original_path' => 'files/2024/02/02103045/timed.png', 'is_private' => 0, 'source_type' => 'media-library',
	'source_id' => $id, 'source_path' => '2024/02/timed.png', 'original_source_path' => '2024/02/timed.png',
	'extra_info' => serialize(['objects' => ['medium' => ['source_file' => 'timed-300x225.png', 'is_private' => false]],
		'private_prefix' => ''])]);
$older = wp_insert_attachment(['post_title' => 'Older', 'post_mime_type' => 'image/png'], '2019/03/older.png');
update_post_meta($older, 'amazonS3_info', ['bucket' => 'old-pictures', 'key' => 'files/2019/03/05060708/older.png']);
echo $post;
`

// visited asks for a page as a visitor of the new site does.
func (n *webNode) visited(path string) answer {
	n.t.Helper()
	return n.get(path, "Host", "www.new.example", "X-Forwarded-Proto", "https")
}

// A site that moves in with its uploads in a Space shows every picture by its own address, and takes new ones.
func TestAPostShowsThePictureOfASpaceThatMovedIn(t *testing.T) {
	s := newSite(t, 2, map[string]string{"url": "https://www.new.example"})
	newSpace(t)

	pictures := map[string]string{}

	for i, name := range []string{
		"2024/01/plain.png", "2024/02/timed.png", "2024/02/timed-300x225.png", "2019/03/older.png",
	} {
		pictures[name] = string(picture(t, i))
	}

	putOld(t, "files/2024/01/plain.png", pictures["2024/01/plain.png"])
	putOld(t, "files/2024/02/02103045/timed.png", pictures["2024/02/timed.png"])
	putOld(t, "files/2024/02/02103045/timed-300x225.png", pictures["2024/02/timed-300x225.png"])
	putOld(t, "files/2019/03/05060708/older.png", pictures["2019/03/older.png"])

	node := s.web[0]
	post := node.wordpress(strings.ReplaceAll(oldSite, "OLD", oldPictures))

	names, err := node.verb("site offloaded")
	require.NoError(t, err, names)
	require.Equal(t, "old-pictures\tfiles/2019/03/05060708/older.png\t2019/03/older.png\n"+
		"old-pictures\tfiles/2024/02/02103045/timed.png\t2024/02/timed.png\n"+
		"old-pictures\tfiles/2024/02/02103045/timed-300x225.png\t2024/02/timed-300x225.png\n", names)

	const (
		program = "/usr/lib/hornero/hornero-media"
		site    = "https://www.new.example"
	)

	said, err := node.try("KEY\nsecret\n"+names, program, "import", oldPictures, "--region", "fra1")
	require.NoError(t, err, said)
	require.Contains(t, said, "4 files added")

	said, err = node.verb("site search-replace", oldPictures, site+"/wp-content/uploads")
	require.NoError(t, err, said)

	permalink := node.wordpress("echo get_permalink(" + post + ");")
	at, ours := strings.CutPrefix(permalink, site)
	require.True(t, ours, permalink)

	for _, n := range s.web {
		page := n.visited(at)
		require.Equal(t, http.StatusOK, page.status)
		require.Contains(t, page.body, `src="`+site+`/wp-content/uploads/2024/01/plain.png"`)
		require.NotContains(t, page.body, "old-pictures")

		for name, want := range pictures {
			shown := n.visited("/wp-content/uploads/" + name)
			require.Equal(t, http.StatusOK, shown.status, name)
			require.Equal(t, want, shown.body, name)
		}
	}

	address := node.wordpress(`echo wp_upload_bits("fresh.png", null, "fresh")["url"];`)
	path, ours := strings.CutPrefix(address, site)
	require.True(t, ours, address)
	require.Equal(t, "fresh", s.web[1].visited(path).body)
}
