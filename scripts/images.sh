#!/bin/bash
# Bake the images with Packer: CLOUD=lab (default) or digitalocean, RELEASE=debian-13 by default. First the layer that all
# roles share, then the roles on it, all at once; LAYER= bakes each role from the base image instead. IMAGE= is the base image's
# slug or number, where the release has none of its own; MIRROR= and SECURITY_MIRROR= are where packages are fetched from, where the
# base image's own sources are not right (docs/releases.md).
set -euo pipefail
release=${RELEASE:-debian-13} layer=${LAYER-common} image=${IMAGE:-} mirror=${MIRROR:-} security=${SECURITY_MIRROR:-}
. scripts/packer-env.sh
if [ -z "${DIGITALOCEAN_ACCESS_TOKEN:-}" ]; then
	[ "$cloud" = lab ] || echo "images: set DIGITALOCEAN_ACCESS_TOKEN to bake on DigitalOcean" >&2
	exit 2
fi
bake() { # bake BUILD [OPTION...]
	.cache/packer build -color=false -on-error=cleanup -only="$1.*" -var "release=$release" -var "layer=$layer" -var "image=$image" -var "mirror=$mirror" -var "security_mirror=$security" "${@:2}" images
}
[ -z "$layer" ] || bake common "$@"
bake roles "$@"
