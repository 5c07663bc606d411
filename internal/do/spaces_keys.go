package do

import (
	"context"

	"github.com/digitalocean/godo"
)

// SpacesKeys lists the account's keys of Spaces, without their secrets: those are told once, when a key is made.
func SpacesKeys(ctx context.Context, client *godo.Client) ([]*godo.SpacesKey, error) {
	list, err := Pages(ctx, client.SpacesKeys.List)
	return list, listed("keys of Spaces", err)
}
