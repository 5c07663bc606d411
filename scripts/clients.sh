#!/bin/sh
# Build other people's clients once, each from its pinned module and as it is, and print the folder they are in.
# usage: scripts/clients.sh CACHE
set -eu
cache=$1
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

client() { # folder below tools/clients, package, name of the program
	digest=$(cat "tools/clients/$1/go.mod" "tools/clients/$1/go.sum" | sha256sum | cut -c 1-16)
	program="$cache/$3-$digest"
	if [ ! -x "$program" ]; then
		echo "build  $3 from its module, once" >&2
		(cd "tools/clients/$1" && CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -trimpath -ldflags '-s -w' -o "$program.new" "$2" >&2)
		mv "$program.new" "$program"
	fi
	ln -sfn "$program" "$cache/$3"
}

client doctl github.com/digitalocean/doctl/cmd/doctl doctl
client packer-plugin github.com/digitalocean/packer-plugin-digitalocean packer-plugin-digitalocean
client terraform github.com/hashicorp/terraform terraform
client terraform-provider github.com/digitalocean/terraform-provider-digitalocean terraform-provider-digitalocean
echo "$cache"
