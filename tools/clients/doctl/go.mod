module github.com/hornero/hornero/tools/clients/doctl
go 1.26
require (
 github.com/digitalocean/doctl v1.105.0
)
