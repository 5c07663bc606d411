package do

import (
	"context"

	"github.com/digitalocean/godo"
)

// Firewalls lists the account's Cloud Firewalls.
func Firewalls(ctx context.Context, client *godo.Client) ([]godo.Firewall, error) {
	list, err := Pages(ctx, client.Firewalls.List)
	return list, listed("firewalls", err)
}

// DomainRecords lists the records of a type that a domain of the account has.
func DomainRecords(
	ctx context.Context,
	client *godo.Client,
	domain, kind string,
) ([]godo.DomainRecord, error) {
	read := func(ctx context.Context, page *godo.ListOptions) ([]godo.DomainRecord, *godo.Response, error) {
		return client.Domains.RecordsByType(ctx, domain, kind, page)
	}

	list, err := Pages(ctx, read)

	return list, listed("records of "+domain, err)
}

// Projects lists the account's projects.
func Projects(ctx context.Context, client *godo.Client) ([]godo.Project, error) {
	list, err := Pages(ctx, client.Projects.List)
	return list, listed("projects", err)
}

// ProjectResources lists what a project holds.
func ProjectResources(
	ctx context.Context,
	client *godo.Client,
	project string,
) ([]godo.ProjectResource, error) {
	read := func(ctx context.Context, page *godo.ListOptions) ([]godo.ProjectResource, *godo.Response, error) {
		return client.Projects.ListResources(ctx, project, page)
	}

	list, err := Pages(ctx, read)

	return list, listed("resources of project "+project, err)
}
