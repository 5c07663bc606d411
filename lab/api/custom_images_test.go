package api_test

import (
	"context"
	"errors"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func customImage() *godo.CustomImageCreateRequest {
	return &godo.CustomImageCreateRequest{
		Name:         "mine",
		Url:          "http://127.0.0.1:1/disk.qcow2",
		Region:       "nyc3",
		Distribution: "Debian",
		Tags:         []string{"own"},
	}
}

// becomes waits until an image has a status.
func (w *world) becomes(id int, status string) *godo.Image {
	w.t.Helper()
	var image *godo.Image
	w.eventually("image "+status, func() bool {
		var err error
		image, _, err = w.Images.GetByID(context.Background(), id)
		return err == nil && image.Status == status
	})

	return image
}

func TestCustomImage(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	release := w.machines.hold()
	image, answer, err := w.Images.Create(ctx, customImage())
	require.NoError(t, err)
	require.Equal(t, 202, answer.StatusCode)
	require.Equal(t, "NEW", image.Status)
	require.Empty(t, image.Regions)
	require.Equal(t, "custom", image.Type)
	w.becomes(image.ID, "pending")

	_, _, err = w.Droplets.Create(ctx, &godo.DropletCreateRequest{
		Name:   "x",
		Region: "nyc3",
		Size:   "s-1vcpu-1gb",
		Image:  godo.DropletCreateImage{ID: image.ID},
	})
	refused(t, err, 422, "invalid image")

	_, _, err = w.ImageActions.Transfer(
		ctx,
		image.ID,
		&godo.ActionRequest{"type": "transfer", "region": "ams3"},
	)
	refused(t, err, 422, "not available")

	_, err = w.Images.Delete(ctx, image.ID)
	refused(t, err, 422, "pending event")
	release()

	image = w.becomes(image.ID, "available")
	require.Equal(t, []string{"nyc3"}, image.Regions)
	require.Equal(t, 2, image.MinDiskSize)
	require.Equal(t, []string{"own"}, image.Tags)

	ask := request("from-it")
	ask.Image = godo.DropletCreateImage{ID: image.ID}
	require.Equal(t, image.ID, w.create(ask).Image.ID)

	private, _, err := w.Images.ListUser(ctx, nil)
	require.NoError(t, err)
	require.Len(t, private, 1)
}

func TestCustomImageThatIsNone(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.machines.breakCall("Import", errors.New("the image has no cloud-init"))

	image, _, err := w.Images.Create(ctx, customImage())
	require.NoError(t, err)

	image = w.becomes(image.ID, "deleted")
	require.Equal(t, "the image has no cloud-init", image.ErrorMessage)

	_, err = w.Images.Delete(ctx, image.ID)
	require.NoError(t, err)

	for _, one := range []struct {
		change func(*godo.CustomImageCreateRequest)
		want   string
	}{
		{
			change: func(r *godo.CustomImageCreateRequest) { r.Name = "" },
			want:   "blank",
		},
		{
			change: func(r *godo.CustomImageCreateRequest) { r.Region = "mars1" },
			want:   "Region",
		},
		{
			change: func(r *godo.CustomImageCreateRequest) { r.Url = "ftp://host/x" },
			want:   "url",
		},
		{
			change: func(r *godo.CustomImageCreateRequest) { r.Url = "" },
			want:   "url",
		},
		{
			change: func(r *godo.CustomImageCreateRequest) { r.Distribution = "Plan 9" },
			want:   "Distribution",
		},
	} {
		ask := customImage()
		one.change(ask)
		_, _, err := w.Images.Create(ctx, ask)
		refused(t, err, 422, one.want)
	}

	require.Len(t, w.store.View().Images, 2, "nothing is half-made")
}

func TestAnImportThatTheLabsEndCutShort(t *testing.T) {
	w := newWorld(t)
	release := w.machines.hold()
	image, _, err := w.Images.Create(t.Context(), customImage())
	require.NoError(t, err)
	w.becomes(image.ID, "pending")
	w.stop()
	release()
	w.start()
	w.becomes(image.ID, "available")
}
