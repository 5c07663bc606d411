package do

import (
	"context"
	"fmt"

	"github.com/digitalocean/godo"
)

// pageSize is the largest page that the API gives.
const pageSize = 200

// Pages reads a list to its last page.
func Pages[T any](
	ctx context.Context,
	read func(context.Context, *godo.ListOptions) ([]T, *godo.Response, error),
) ([]T, error) {
	var all []T
	for page := 1; ; page++ {
		options := &godo.ListOptions{
			Page:    page,
			PerPage: pageSize,
		}

		items, response, err := read(ctx, options)
		if err != nil {
			return nil, err
		}

		// Some lists come without links when they fit on one page.
		all = append(all, items...)
		if response == nil || response.Links == nil || response.Links.IsLastPage() {
			return all, nil
		}
	}
}

// Droplets lists all Droplets.
func Droplets(ctx context.Context, client *godo.Client) ([]godo.Droplet, error) {
	list, err := Pages(ctx, client.Droplets.List)
	return list, listed("Droplets", err)
}

// DropletsByTag lists the Droplets that bear a tag.
func DropletsByTag(
	ctx context.Context,
	client *godo.Client,
	tag string,
) ([]godo.Droplet, error) {
	read := func(ctx context.Context, page *godo.ListOptions) ([]godo.Droplet, *godo.Response, error) {
		return client.Droplets.ListByTag(ctx, tag, page)
	}

	list, err := Pages(ctx, read)

	return list, listed("Droplets tagged "+tag, err)
}

// ImagesByTag lists the images that bear a tag.
func ImagesByTag(
	ctx context.Context,
	client *godo.Client,
	tag string,
) ([]godo.Image, error) {
	read := func(ctx context.Context, page *godo.ListOptions) ([]godo.Image, *godo.Response, error) {
		return client.Images.ListByTag(ctx, tag, page)
	}

	list, err := Pages(ctx, read)

	return list, listed("images tagged "+tag, err)
}

// UserImages lists the account's own images: snapshots, backups and imported ones.
func UserImages(ctx context.Context, client *godo.Client) ([]godo.Image, error) {
	list, err := Pages(ctx, client.Images.ListUser)
	return list, listed("images", err)
}

// Images lists the images of a kind: "user", "distribution", "application", or all when it is empty.
func Images(ctx context.Context, client *godo.Client, kind string) ([]godo.Image, error) {
	read := map[string]func(context.Context, *godo.ListOptions) ([]godo.Image, *godo.Response, error){
		"":             client.Images.List,
		"user":         client.Images.ListUser,
		"distribution": client.Images.ListDistribution,
		"application":  client.Images.ListApplication,
	}[kind]

	list, err := Pages(ctx, read)

	return list, listed("images", err)
}

// Regions lists all regions.
func Regions(
	ctx context.Context,
	client *godo.Client,
) ([]godo.Region, error) {
	list, err := Pages(ctx, client.Regions.List)
	return list, listed("regions", err)
}

// Sizes lists the sizes that Droplets may have.
func Sizes(
	ctx context.Context,
	client *godo.Client,
) ([]godo.Size, error) {
	list, err := Pages(ctx, client.Sizes.List)
	return list, listed("sizes", err)
}

// Tags lists the account's tags.
func Tags(
	ctx context.Context,
	client *godo.Client,
) ([]godo.Tag, error) {
	list, err := Pages(ctx, client.Tags.List)
	return list, listed("tags", err)
}

// Snapshots lists the images made of a Droplet.
func Snapshots(
	ctx context.Context,
	client *godo.Client,
	droplet int,
) ([]godo.Image, error) {
	read := func(ctx context.Context, page *godo.ListOptions) ([]godo.Image, *godo.Response, error) {
		return client.Droplets.Snapshots(ctx, droplet, page)
	}

	list, err := Pages(ctx, read)

	return list, listed(fmt.Sprintf("snapshots of Droplet %d", droplet), err)
}

// Keys lists the account's SSH keys. The API allows ten such requests a minute.
func Keys(ctx context.Context, client *godo.Client) ([]godo.Key, error) {
	list, err := Pages(ctx, client.Keys.List)
	return list, listed("SSH keys", err)
}

// VPCs lists the account's VPCs.
func VPCs(ctx context.Context, client *godo.Client) ([]*godo.VPC, error) {
	list, err := Pages(ctx, client.VPCs.List)
	return list, listed("VPCs", err)
}

// LoadBalancers lists the account's load balancers.
func LoadBalancers(ctx context.Context, client *godo.Client) ([]godo.LoadBalancer, error) {
	list, err := Pages(ctx, client.LoadBalancers.List)
	return list, listed("load balancers", err)
}

// ReservedIPs lists the account's reserved addresses.
func ReservedIPs(ctx context.Context, client *godo.Client) ([]godo.ReservedIP, error) {
	list, err := Pages(ctx, client.ReservedIPs.List)
	return list, listed("reserved IPs", err)
}

func listed(what string, err error) error {
	if err == nil {
		return nil
	}

	return fmt.Errorf("list %s: %w", what, err)
}
