#!/bin/bash
# Look at an installed package from within its root, with no network: programs, man pages, completions, and a first stack.
# usage: check-installed.sh VERSION
set -euo pipefail
version=$1

step() { echo "installed  $*"; }

fail() {
	echo "installed: $*" >&2
	exit 1
}

# says WORD COMMAND...: the command ends well, and the word is in what it prints
says() {
	local word=$1 said
	shift
	said=$("$@" 2>&1) || fail "$* ended with $?: $said"
	[[ $said == *"$word"* ]] || fail "$* does not say $word: $said"
}

step "the programs, of version $version"
says "hornero $version" hornero version
says "$version" /usr/lib/hornero/hornero-bootstrap version
says "$version" /usr/lib/hornero/hornero-acme --version
says "$version" /usr/lib/hornero/hornero-media --version
says "\"version\":\"$version\"" /usr/lib/hornero/packer-plugin-hornero describe
says "Usage:" hornero --help

step "man pages, which man reads without a warning"
export MANPAGER=cat
for page in $(dpkg -L hornero | grep /man1/.*gz); do
	warnings=$(man --warnings --local-file "$page" 2>&1 >/dev/null)
	[ -z "$warnings" ] || fail "$page: $warnings"
done
says "hornero-images(1)" man hornero
says "hornero-images - " man hornero-images
says "OPTIONS OF ALL COMMANDS" man hornero-validate

step "completions of bash, zsh and fish"
says "complete -o default -F __start_hornero hornero" \
	bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader hornero || true; complete -p hornero'
says "_hornero" zsh -c 'autoload -U compinit && compinit -u && print $_comps[hornero]'
says "validate" fish -c 'complete -C "hornero val"'

step "roles, and a first stack in an empty folder"
says "web" hornero roles list
mkdir -p /srv/stack
cd /srv/stack
hornero init
for file in stack.yaml secrets.age .gitignore; do
	[ -s "$file" ] || fail "hornero init wrote no $file"
done
hornero validate

step "a bake without Packer says how to get it"
said=$(hornero images bake 2>&1) && fail "hornero images bake did not miss Packer: $said"
[[ $said == *"find Packer"* ]] || fail "hornero images bake does not say that it misses Packer: $said"
