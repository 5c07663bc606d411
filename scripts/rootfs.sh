#!/bin/bash
# Bake one role's image with no Droplet, by Packer and as root: ROLE=common, RELEASE=debian-13 by default. With -var
# space_name=NAME it is imported: into DigitalOcean with CLOUD=digitalocean, into the lab with -var spaces_url=ADDRESS.
set -euo pipefail
. scripts/packer-env.sh # without a lab nobody asks the API, as long as nothing is imported
case "$cloud $*" in
"lab "*spaces_url=*) ;;
"lab "*space_name=*)
	echo "rootfs: name the lab's Spaces, too: -var spaces_url=ADDRESS (bin/hornero lab status --json tells spaces_url)" >&2
	exit 2
	;;
esac
.cache/packer build -color=false -on-error=cleanup -var "role=${ROLE:-common}" -var "release=${RELEASE:-debian-13}" "$@" images/rootfs
