package builder_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
)

func TestAnImportLeavesTheImageAndNothingElse(t *testing.T) {
	p := newImportCloud(t)
	artifact, err := p.build(t.Context(), object{"image_tags": []string{"mine"}})
	require.NoError(t, err)
	require.Empty(t, p.objects())

	require.Equal(t, oneImage, p.left())

	image := p.list("images", "")[0]
	tags := image["tags"].([]any)
	require.Subset(t, tags, []any{"hornero", "hornero:role:tiny", "hornero:release:debian-13", "mine"})

	for _, tag := range tags {
		require.False(t,
			strings.HasPrefix(tag.(string), "hornero-build"),
			"the build's own tag %s is left",
			tag,
		)
	}

	require.Equal(t, "hornero.rootfs", artifact.BuilderId())
	require.Contains(t, artifact.String(), "in nyc3")
	var told builder.Built
	require.NoError(t, json.Unmarshal([]byte(artifact.State(builder.StateBuilt).(string)), &told))

	require.Equal(t, "tiny", told.Role)
	require.Equal(t, "debian-13", told.Release)
	require.Equal(t, artifact.Id(), strconv.Itoa(told.ID))
	require.Equal(t, []string{"nyc3"}, told.Regions)

	require.NoError(t, artifact.Destroy())
	require.Equal(t, nothing, p.left())
}

func TestAnImportEndsWithItsOwnError(t *testing.T) {
	p := newImportCloud(t)
	p.failed = "no ext3 or ext4 file system"
	_, err := p.build(t.Context(), nil)
	require.ErrorContains(t, err, "the API says: no ext3 or ext4 file system")
	require.Empty(t, p.objects())
	require.Equal(t, nothing, p.left())
}

// The API has no idempotency key: an answer that was lost may hide that the import began.
func TestAnImportWhoseAnswerIsLostIsBegunOnce(t *testing.T) {
	for name, serve := range map[string]bool{"done": true, "not done": false} {
		t.Run(name, func(t *testing.T) {
			p := newImportCloud(t)
			var lost atomic.Bool
			p.before = func(w http.ResponseWriter, r *http.Request, call string) bool {
				if call != "POST images" || lost.Swap(true) {
					return p.answer(w, r, call)
				}
				if serve {
					p.answer(httptest.NewRecorder(), r, call)
				}

				refuse(w, http.StatusBadGateway, "try again")

				return true
			}

			_, err := p.build(t.Context(), nil)
			require.NoError(t, err)
			require.Equal(t, oneImage, p.left())
			require.Empty(t, p.objects())
		})
	}
}

func TestAnImportComesToAllItsRegions(t *testing.T) {
	p := newImportCloud(t)

	same := object{
		"roles_dir":     writeRoles(t),
		"image_regions": []string{"nyc3", "ams3", "nyc3"},
	}

	artifact, err := p.build(t.Context(), same)
	require.NoError(t, err)
	require.Contains(t, artifact.String(), "in nyc3, ams3")

	same["image_regions"] = []string{"fra1", "ams3"}
	again, err := p.build(t.Context(), same)
	require.NoError(t, err)

	require.Equal(t,
		artifact.Id(),
		again.Id(),
		"it is in one of the regions, and comes to the other",
	)
	require.Contains(t, again.String(), "in nyc3, ams3, fra1")
	var told builder.Built
	require.NoError(t, json.Unmarshal([]byte(again.State(builder.StateBuilt).(string)), &told))
	require.Equal(t, []string{"nyc3", "ams3", "fra1"}, told.Regions)
	require.Equal(t, 1, p.count("POST images"))
	require.Equal(t, 2, p.count("POST images/N/actions transfer"))

	same["image_regions"] = []string{"nyc3", "mar1"}
	_, err = p.build(t.Context(), same)
	require.ErrorContains(t,
		err,
		`image_regions: no such region: "mar1"; known are ams3, fra1, nyc3`,
	)
}

// What makes another disk makes another image.
func TestAnotherDiskIsAnotherImage(t *testing.T) {
	p := newImportCloud(t)
	roles := writeRoles(t)
	build := func(size, format string) string {
		artifact, err := p.build(t.Context(), object{
			"roles_dir": roles,
			"size":      size,
			"format":    format,
		})
		require.NoError(t, err)

		return artifact.Id()
	}

	first := build("3G", "qcow2")
	require.Equal(t, first, build("3072M", "qcow2"))
	require.NotEqual(t, first, build("4G", "qcow2"))
	require.NotEqual(t, first, build("3G", "raw"))
	require.Equal(t, first, build("3G", "qcow2"))
	require.Equal(t, 3, p.count("POST images"))
}

func TestATransferThatFailsOrIsInterruptedKeepsTheImport(t *testing.T) {
	for name, interrupt := range map[string]bool{"fails": false, "interrupted": true} {
		t.Run(name, func(t *testing.T) {
			p := newImportCloud(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()

			p.before = func(w http.ResponseWriter, r *http.Request, call string) bool {
				if call != "POST images/N/actions transfer" {
					return p.answer(w, r, call)
				}
				if interrupt {
					cancel()
				}

				refuse(w, http.StatusUnprocessableEntity, "the region is full")

				return true
			}

			same := object{
				"roles_dir":     writeRoles(t),
				"image_regions": []string{"nyc3", "ams3"},
			}

			artifact, err := p.build(ctx, same)
			require.Nil(t, artifact)

			if interrupt {
				require.ErrorIs(t, err, builder.ErrInterrupted)
			} else {
				require.ErrorIs(t, err, builder.ErrTransfer)
			}

			require.Equal(t, oneImage, p.left())
			require.Empty(t, p.objects())

			p.before = p.answer
			_, err = p.build(t.Context(), same)
			require.NoError(t, err)
			require.Equal(t, 1, p.count("POST images"))
		})
	}
}

var importSteps = []string{"POST images", "GET images/N", "POST tags", "POST tags/TAG/resources"}

func TestAFailureOrInterruptionOfAnImportLeavesNothing(t *testing.T) {
	for _, step := range importSteps {
		for _, interrupt := range []bool{false, true} {
			t.Run(step, func(t *testing.T) {
				p := newImportCloud(t)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()

				var failed atomic.Bool
				p.before = func(w http.ResponseWriter, r *http.Request, call string) bool {
					if call == step && interrupt {
						cancel() // the request is served: its answer is lost, its work is done
					} else if call == step && !failed.Swap(true) {
						// a single 403 would be asked again
						refuse(w, http.StatusUnprocessableEntity, "not that")
						return true
					}

					return p.answer(w, r, call)
				}

				artifact, err := p.build(ctx, nil)
				require.Error(t, err)
				require.Equal(t, interrupt, ctx.Err() != nil)
				require.Nil(t, artifact)
				require.Empty(t, p.objects())
				require.Equal(t, nothing, p.left())
			})
		}
	}
}

func TestAMissingSpaceOrAWrongKeyIsNamed(t *testing.T) {
	p := newImportCloud(t)
	_, err := p.build(t.Context(), object{"space_name": "elsewhere"})
	require.ErrorContains(t,
		err,
		"make the Space in the region of spaces_region, or correct space_name",
	)

	_, err = p.build(t.Context(), object{"spaces_secret": "wrong"})
	require.ErrorContains(t,
		err,
		"look at DIGITALOCEAN_SPACES_ACCESS_KEY, DIGITALOCEAN_SPACES_SECRET_KEY",
	)
	require.Equal(t, nothing, p.left())
}

func TestARefusedTokenOfAnImportIsToldWithWhatToDo(t *testing.T) {
	p := newImportCloud(t)
	p.before = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		refuse(w, http.StatusUnauthorized, "Unable to authenticate you")
		return true
	}

	_, err := p.build(t.Context(), nil)
	require.ErrorContains(t,
		err,
		"the API refused the token: set DIGITALOCEAN_ACCESS_TOKEN or api_token to one that is valid: ",
	)

	require.Empty(t, p.objects())
}

// What builds that were killed left goes; what living ones use, and what is complete, stays.
func TestLeftoversOfDeadImportsAreSwept(t *testing.T) {
	p := newImportCloud(t)
	same := object{"roles_dir": writeRoles(t)}
	_, err := p.build(t.Context(), same) // so that there is nothing to bake any more
	require.NoError(t, err)

	living := ownTag(t, newCloud(t))

	// a process that this host does not have
	dead := strings.Replace(living, "-"+strings.Split(living, "-")[2]+"-", "-4194305-", 1)
	key := func(tag string) string {
		return "hornero-build/" + strings.TrimPrefix(tag, "hornero-build:") + "/word/disk"
	}

	var none minio.PutObjectOptions

	for _, name := range []string{
		key(living),
		key(dead),
		"mine/disk",
	} {
		_, err = p.s3.PutObject(t.Context(), "bakery", name, strings.NewReader("x"), 1, none)
		require.NoError(t, err)
	}

	core := minio.Core{Client: p.s3}
	_, err = core.NewMultipartUpload(t.Context(), "bakery", key(dead)+"2", none)
	require.NoError(t, err)

	half := p.add("images", object{
		"status": "pending",
		"tags":   []any{"hornero-build", dead},
	})

	whole := p.add("images", object{
		"status": "available",
		"tags":   []any{"hornero-build", dead, "hornero:digest:aa"},
	})

	other := p.add("images", object{
		"status": "pending",
		"tags":   []any{"hornero-build", living},
	})

	_, err = p.build(t.Context(), same)
	require.NoError(t, err)
	require.Equal(t, 1, p.count("POST images"))

	require.ElementsMatch(t, []string{key(living), "mine/disk"}, p.objects())
	require.NotContains(t, p.thing["images"], half["id"])
	require.Contains(t, p.thing["images"], other["id"])
	require.Equal(t, []any{"hornero:digest:aa"}, p.thing["images"][whole["id"].(int)]["tags"])
}
