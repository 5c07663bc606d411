#!/bin/bash
# Bake the images with Packer: CLOUD=lab (default) or digitalocean, RELEASE=debian-13 by default. First the layer that all
# roles share, then the roles on it, all at once; LAYER= bakes each role from the base image instead. IMAGE= is the base image's
# slug or number, where the release has none of its own; MIRROR= and SECURITY_MIRROR= are where packages are fetched from, where the
# base image's own sources are not right (docs/releases.md).
set -euo pipefail
cloud=${CLOUD:-lab} release=${RELEASE:-debian-13} layer=${LAYER-common} image=${IMAGE:-} mirror=${MIRROR:-} security=${SECURITY_MIRROR:-}
export PACKER_PLUGIN_PATH=$PWD/.cache/plugins PACKER_CONFIG_DIR=$PWD/.cache/packer.d CHECKPOINT_DISABLE=1
if [ "$cloud" = lab ]; then
	eval "$(bin/hornero lab env ${LAB:+--name "$LAB"})" # DIGITALOCEAN_API_URL and DIGITALOCEAN_ACCESS_TOKEN of the lab
elif [ -z "${DIGITALOCEAN_ACCESS_TOKEN:-}" ]; then
	echo "images: set DIGITALOCEAN_ACCESS_TOKEN to bake on DigitalOcean" >&2
	exit 2
fi
if ! [ .cache/plugin.installed -nt bin/packer-plugin-hornero ] || ! [ -d "$PACKER_PLUGIN_PATH" ]; then
	.cache/packer plugins install --path bin/packer-plugin-hornero github.com/hornero/hornero >.cache/plugin.log 2>&1 || { cat .cache/plugin.log >&2; exit 1; }
	touch .cache/plugin.installed
fi
bake() { # bake BUILD [OPTION...]
	.cache/packer build -color=false -on-error=cleanup -only="$1.*" -var "release=$release" -var "layer=$layer" -var "image=$image" -var "mirror=$mirror" -var "security_mirror=$security" "${@:2}" images
}
[ -z "$layer" ] || bake common "$@"
bake roles "$@"
