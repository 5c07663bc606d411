#!/bin/bash
# Bake the images of the stack's roles: `hornero images bake` from a checkout, as make has it: CLOUD=lab (default) or digitalocean,
# STACK=stack.yaml, RELEASE= instead of the stack's own. LAYER= bakes each role from the base image, without the layer that all
# share. IMAGE= is the base image's slug or number, where the release has none of its own; MIRROR= and SECURITY_MIRROR= are where
# packages are fetched from, where the base image's own sources are not right (docs/releases.md). Arguments are those of `images bake`;
# -var NAME=VALUE may be written as Packer has it.
set -euo pipefail
export CLOUD=${CLOUD:-lab}
options=(--image "${IMAGE:-}" --mirror "${MIRROR:-}" --security-mirror "${SECURITY_MIRROR:-}")
[ -z "${RELEASE:-}" ] || options+=(--release "$RELEASE")
[ -n "${LAYER-common}" ] || options+=(--no-layer)
for word in "$@"; do
	[ "$word" = -var ] && word=--var
	options+=("$word")
done
exec bin/hornero -f "${STACK:-stack.yaml}" images bake "${options[@]}"
