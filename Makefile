# Hornero: `make up` bakes and launches the whole stack in the lab; `make test` proves it. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

CACHE    := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/hornero
DQLITE   := $(CACHE)/dqlite-1.18.1
CLOUD    ?= lab
STACK    ?= stack.yaml
VERSION  := 0.1.0

PACKER_VERSION := 1.11.2
PACKER_CACHE   := $(CACHE)/packer-$(PACKER_VERSION)
# Functions at 16 bytes instead of 32: 0.1 MB of each program.
LDFLAGS := -s -w -X main.version=$(VERSION) -funcalign=16

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: up
up: images ## build, start the lab, bake the images, launch the stack, print its address
	@bin/hornero -f $(STACK) up

.PHONY: images
images: build packer lab ## bake what all roles share, and on it one snapshot per role of the stack (only what changed)
	@CLOUD=$(CLOUD) RELEASE=$(RELEASE) STACK=$(STACK) scripts/images.sh

.PHONY: rootfs
rootfs: build packer ## bake one role with no Droplet, ROLE=common, to a disk in output/ (root; docs/rootfs.md)
	@RELEASE=$(RELEASE) STACK=$(STACK) ROLE=$(or $(ROLE),common) scripts/rootfs.sh

.PHONY: lab
lab: build
	@if [ "$(CLOUD)" = lab ]; then bin/hornero -f $(STACK) lab start; fi

.PHONY: down
down: ## destroy the stack and stop the lab; images and secrets are kept
	@if [ -x bin/hornero ]; then bin/hornero -f $(STACK) destroy --yes; bin/hornero -f $(STACK) lab stop; fi

.PHONY: test
test: build packer ## prove everything: unit tests, real daemons, and the whole stack in a lab of its own
	@scripts/test.sh

.PHONY: check
check: deps ## the form of the code, vet, linters, known vulnerabilities and unit tests only (minutes, no root)
	@scripts/lint.sh
	eval "$$(scripts/dqlite.sh $(DQLITE))"
	go test ./...

.PHONY: vuln
vuln: deps ## ask the Go vulnerability database's latest version for known vulnerabilities of what is linked into the programs (a minute)
	@scripts/lint.sh vulns

.PHONY: test-galera
test-galera: deps ## run every test that has real MariaDB servers on loopback, some not in make test (root, two minutes)
	@scripts/galera.sh

.PHONY: test-website
test-website: deps ## run the tests of the role web alone: nginx, PHP and WordPress beside a real MariaDB, no lab (root, minutes)
	@scripts/website.sh

.PHONY: test-browser
test-browser: deps ## have an author write in a real Chromium, while web nodes die and are replaced (root, two minutes)
	@WEBSITE_TAGS=root,browser scripts/website.sh \
		TestAnAuthorsPictureIsOnEveryNodeWhileNodesComeAndGo TestAnAuthorsPictureIsInTheSpaceWhileNodesComeAndGo

.PHONY: kills
kills: deps ## kill up, scale, roll, replace and destroy before and after each change they ask the API for (no root, many minutes)
	@eval "$$(scripts/dqlite.sh $(DQLITE))"
	HORNERO_KILLS=all go test -v -count 1 -timeout 2h -run TestTheNextRunEnds ./fleet

FUZZTIME ?= 10m
.PHONY: fuzz
fuzz: deps ## fuzz what reads strangers' bytes, FUZZTIME (10m, or 10000000x) each: user-data, node documents, the bodies of both APIs, roles' manifests, an image's digest
	@eval "$$(scripts/dqlite.sh $(DQLITE))"
	for target in cloudinit:FuzzDecode cloudinit:FuzzNode bootstrap/api:FuzzBodies lab/api:FuzzBodies roles:FuzzLoad builder:FuzzDigest; do
		nice -n 19 go test -run '^$$' -fuzz "^$${target#*:}$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x -parallel 1 "./$${target%:*}"
	done

.PHONY: bench-pages
bench-pages: deps ## measure strangers' pages: 200 posts from the page cache, beside nginx configured by hand (root, two minutes)
	@WEBSITE_TAGS=root,bench scripts/website.sh TestFiguresOfPages

EDGE_ROUNDS ?= 9
.PHONY: bench-edge
bench-edge: deps ## measure the edge beside HAProxy and nginx configured by hand: requests a second, latency, processor (root, two minutes; EDGE_ROUNDS=9)
	@EDGE_ROUNDS=$(EDGE_ROUNDS) scripts/bench-edge.sh

MEDIA_FILE_SIZE ?= 2000000
.PHONY: bench-media
bench-media: ## measure a new web node beside a Space of 10,000 large files: times, requests, memory (MEDIA_FILE_SIZE=2000000; wants twice the room, 40 GB)
	@eval "$$(scripts/dqlite.sh $(DQLITE))"
	MEDIA_FILE_SIZE=$(MEDIA_FILE_SIZE) go test -v -count 1 -timeout 2h -run TestANewNodeServesALargeLibraryAtOnce ./media 2>&1 | grep -E "figure:|FAIL|Error|^ok" | sed 's/^.*figure: //'

.PHONY: bench-lab
bench-lab: build ## measure the lab: launches, snapshots, answers, thirty idle Droplets (root, five minutes)
	@eval "$$(scripts/dqlite.sh $(DQLITE))"
	go test -run '^$$' -bench Get -benchtime 2000x ./lab/api | grep -E 'Benchmark|FAIL'
	echo "the medians above: at most 1 ms"
	go test -v -count 1 -timeout 20m -tags root,bench,libsqlite3,nosqlite3,netgo,osusergo -run TestFigures ./lab 2>&1 | grep -E "at most|FAIL|Error|^ok"

.PHONY: bench-bootstrap
bench-bootstrap: build ## measure the bootstrap: its size, memory, idle CPU, and how fast a change is everywhere (root, three minutes)
	@eval "$$(scripts/dqlite.sh $(DQLITE))"
	mkdir -p .cache
	go test -c -tags root,bench,libsqlite3,nosqlite3,netgo,osusergo -o .cache/bench-bootstrap ./cmd/hornero-bootstrap 2>/dev/null
	cd cmd/hornero-bootstrap
	unshare --net sh -c 'ip link set lo up && exec ../../.cache/bench-bootstrap -test.v -test.run TestFigures -test.timeout 15m' | grep -E "figure:|FAIL|Error|^ok|PASS" | sed 's/^.*figure: //'

# What the tests of the whole stack are asked for (e2e/doc.go). With KEEP=1 the benches below leave lab and images, too.
export E2E_RUN   := $(RUN)
export E2E_LIST  := $(LIST)
export E2E_KEEP  := $(KEEP)
export E2E_FRESH := $(FRESH)
export E2E_RENAMED := $(RENAMED)

.PHONY: e2e
e2e: $(if $(LIST),deps,build packer) ## prove the whole stack in sections: RUN=replace (a regexp over their names; RUN=. runs the long ones, too), LIST=1 lists them, KEEP=1 leaves lab and stack for the next run, FRESH=1 takes over nothing, RENAMED=1 has the built-in roles by other names (root)
	@eval "$$(scripts/dqlite.sh $(DQLITE))"
	go test -v -count 1 -timeout 90m -tags root,libsqlite3,nosqlite3,netgo,osusergo ./e2e | grep --line-buffered -vE '$(if $(LIST),^(=== |--- |PASS|ok ),^=== (RUN|NAME) )'

FLOOD ?= 60s
.PHONY: redteam
redteam: ## attack a stack from outside, as PHP's user, as root of a web node and of a proxy, and with an old certificate, and flood its doors (root; FLOOD=60s, KEEP=1)
	@E2E_FLOOD=$(FLOOD) $(MAKE) -s e2e RUN='^(redteam|floods|firewalls|immutable|user-data|secrets)$$'

CHAOS_FAULTS ?= 200
.PHONY: chaos
chaos: build packer ## break the stack at random under load, and prove that it heals and keeps every row (root; CHAOS_FAULTS=200, CHAOS_SEED)
	@eval "$$(scripts/dqlite.sh $(DQLITE))"
	CHAOS_FAULTS=$(CHAOS_FAULTS) go test -v -count 1 -timeout 12h -tags root,chaos,libsqlite3,nosqlite3,netgo,osusergo -run TestChaos ./e2e

FROM ?= HEAD~1
.PHONY: takeover
takeover: build packer ## launch a stack with an earlier version, and take it over under load by replacing its nodes (root; FROM=COMMIT)
	@rm -rf .cache/takeover
	git clone -q . .cache/takeover
	git -C .cache/takeover checkout -q $(FROM)
	$(MAKE) -s -C .cache/takeover build packer
	eval "$$(scripts/dqlite.sh $(DQLITE))"
	TAKEOVER_FROM=$$PWD/.cache/takeover go test -v -count 1 -timeout 1h -tags root,takeover,libsqlite3,nosqlite3,netgo,osusergo -run TestTakeover ./e2e

FAILOVER_ROUNDS ?= 20
.PHONY: bench-failover
bench-failover: build packer ## measure how long clients wait when the writer is lost or moved (root; FAILOVER_ROUNDS=20, FAILOVER_WAYS="machine off,mariadbd kill -9,planned move")
	@eval "$$(scripts/dqlite.sh $(DQLITE))"
	FAILOVER_ROUNDS=$(FAILOVER_ROUNDS) go test -v -count 1 -timeout 3h -tags root,bench,libsqlite3,nosqlite3,netgo,osusergo -run TestFailover ./e2e

BENCH_ROUNDS ?= 5
BENCH_RIVALS ?=
.PHONY: bench
bench: build packer ## measure a launch, a database node's replacement and a web node more beside a script and beside Ansible (root, an hour and more; BENCH_ROUNDS=5, BENCH_RIVALS="script ansible hornero"; e2e/baseline)
	@scripts/deps.sh ansible-core
	eval "$$(scripts/dqlite.sh $(DQLITE))"
	BENCH_ROUNDS=$(BENCH_ROUNDS) BENCH_RIVALS="$(BENCH_RIVALS)" go test -v -count 1 -timeout 6h -tags root,bench,libsqlite3,nosqlite3,netgo,osusergo -run TestBench ./e2e

JOIN_ROUNDS ?= 5
.PHONY: bench-join
bench-join: build packer ## measure how fast blank database nodes are Synced, with Hornero and without, in turn (root; JOIN_ROUNDS=5)
	@eval "$$(scripts/dqlite.sh $(DQLITE))"
	JOIN_ROUNDS=$(JOIN_ROUNDS) go test -v -count 1 -timeout 3h -tags root,bench,libsqlite3,nosqlite3,netgo,osusergo -run TestJoin ./e2e

.PHONY: bench-consensus
bench-consensus: build packer ## take the peer set's leader away, then its quorum: no client may notice (root)
	@eval "$$(scripts/dqlite.sh $(DQLITE))"
	go test -v -count 1 -timeout 1h -tags root,bench,libsqlite3,nosqlite3,netgo,osusergo -run TestConsensusLost ./e2e

START_LAUNCHES ?= 3
START_ROUNDS ?= 5
.PHONY: bench-start
bench-start: build packer ## measure starts: each role from exec to configured, and the whole stack after a power cut in the middle of writes (root; START_LAUNCHES=3, START_ROUNDS=5)
	@eval "$$(scripts/dqlite.sh $(DQLITE))"
	START_LAUNCHES=$(START_LAUNCHES) START_ROUNDS=$(START_ROUNDS) go test -v -count 1 -timeout 3h -tags root,bench,libsqlite3,nosqlite3,netgo,osusergo -run TestStart ./e2e

SOAK ?= 10m
.PHONY: soak-evictions
soak-evictions: build packer ## burn all processors beside the stack: no database node may be shut out (root; SOAK=10m)
	@eval "$$(scripts/dqlite.sh $(DQLITE))"
	SOAK=$(SOAK) go test -v -count 1 -timeout 12h -tags root,bench,libsqlite3,nosqlite3,netgo,osusergo -run TestNoFalseEvictions ./e2e

.PHONY: bench-images
bench-images: build packer ## measure what the roles' shared layer saves: cold bakes with it and without (root, five minutes)
	@scripts/bench-images.sh

# Programs that roles put into their images (`programs` of role.yaml): plain Go, static.
PROGRAMS := $(patsubst cmd/%,bin/%,$(filter-out %/hornero-bootstrap,$(wildcard cmd/hornero-*)))

.PHONY: build
build: deps bin/hornero bin/packer-plugin-hornero bin/hornero-bootstrap $(PROGRAMS) ## build all programs into bin/

GO_FILES := $(shell git ls-files -co --exclude-standard '*.go' go.mod go.sum)
DATA     := $(shell git ls-files -co --exclude-standard roles images cmd/hornero/scaffold)

bin/hornero: $(GO_FILES) $(DATA)
	@echo "build  $@"
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $@ ./cmd/hornero

bin/packer-plugin-hornero: $(GO_FILES) $(DATA)
	@echo "build  $@"
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $@ ./cmd/packer-plugin-hornero

$(PROGRAMS): bin/%: $(GO_FILES)
	@echo "build  $@"
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags netgo,osusergo -ldflags '$(LDFLAGS)' -o $@ ./cmd/$*

# Static, so that one file runs on every release, and small: no HTTP/2, which nobody speaks to it, no second binding of
# SQLite, and no tables to unwind C by; see docs/architecture.md.
BOOTSTRAP_TAGS := libsqlite3,nosqlite3,netgo,osusergo,nethttpomithttp2
BOOTSTRAP := bin/hornero-bootstrap
BOOTSTRAP_FLAGS :=
$(BOOTSTRAP): $(GO_FILES) $(DATA) scripts/bootstrap.ld
	@echo "build  $@ (static)"
	eval "$$(scripts/dqlite.sh $(DQLITE))"
	go build -trimpath $(BOOTSTRAP_FLAGS) -tags $(BOOTSTRAP_TAGS) -ldflags '$(LDFLAGS) -linkmode external -extldflags "-static -Wl,--no-warnings,--gc-sections,-T,$(CURDIR)/scripts/bootstrap.ld"' -o $@ ./cmd/hornero-bootstrap 2> >(grep -vE "statically linked|in function|internal/|hornero-bootstrap$$" >&2 || true)

.PHONY: release
release: build ## make what a release publishes, in dist/: archive, Debian package, the plugin for packer init, sums, bill of materials
	@scripts/release.sh $(VERSION) $(DQLITE)

BAKE ?= proxy
.PHONY: test-release
test-release: release packer ## prove the release: install the package in an empty Debian 12, look at all of it, bake from there (root; BAKE= bakes nothing)
	@BAKE=$(BAKE) scripts/test-release.sh $(VERSION)

.PHONY: deps
deps: ## install what is needed from Debian, and the dqlite archives into the cache
	@scripts/deps.sh
	scripts/dqlite.sh $(DQLITE) >/dev/null

.PHONY: env
env: deps ## print the environment that an editor or plain go build needs: eval "$(make -s env)"
	@scripts/dqlite.sh $(DQLITE)

.PHONY: packer
packer: ## find Packer in PATH, or build it once from its pinned module
	@mkdir -p .cache bin
	scripts/packer.sh $(PACKER_VERSION) $(PACKER_CACHE) .cache/packer

.PHONY: clean
clean: ## remove what was built in this checkout (caches, lab and secrets are kept)
	@rm -rf bin dist .cache
