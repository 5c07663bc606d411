#!/bin/bash
# Bake one role's image with no Droplet, by Packer and as root: ROLE=common, RELEASE=debian-13 by default. With -var
# space_name=NAME it is imported, into the lab or, with CLOUD=digitalocean, into DigitalOcean.
set -euo pipefail
. scripts/packer-env.sh # without a lab nobody asks the API, as long as nothing is imported
.cache/packer build -color=false -on-error=cleanup -var "role=${ROLE:-common}" -var "release=${RELEASE:-debian-13}" "$@" images/rootfs
