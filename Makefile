# Everything a newcomer needs. Each target installs or starts what it lacks.

GO ?= go
SERVERS ?= mariadb mysql kafka registry python

.PHONY: help build demo test test-short test-containers servers bench bench-takeover fuzz soak lint

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## bin/chartwire
	$(GO) build -o bin/chartwire ./cmd/chartwire

demo: build ## the whole road on this machine: KEEP=1 leaves it running, BREAK=1 breaks it on the way
	./integration/servers/install.sh demo
	./bin/chartwire demo $(if $(KEEP),--keep) $(if $(BREAK),--break)

servers: ## installs the servers that the tests run against
	./integration/servers/install.sh $(SERVERS)

# Tests wait more than they compute: four at once of a package, on two cores too.
test: servers lint ## all tests, race detector on, against real servers
	$(GO) test -race -parallel 4 -timeout 30m ./...

test-short: ## the tests that need nothing but Go
	$(GO) test -short ./...

lint: ## formatting and vet
	@test -z "$$(gofmt -l cdc sinks schemas pipeline cmd integration)" || { gofmt -l cdc sinks schemas pipeline cmd integration; echo "run gofmt -w on these"; exit 1; }
	$(GO) vet ./...

bench: servers ## the figures of the README, side by side in one run of less than 20 minutes
	./integration/servers/install.sh debezium
	$(GO) test -run '^$$' -bench 'RowImage' -benchtime 2s ./cdc/mysql/image
	$(GO) test -run '^$$' -bench 'Map40' -benchtime 2s ./pipeline/mapping
	$(GO) test -run '^$$' -bench 'MapJoined' -benchtime 3000x ./pipeline
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 40m ./integration/bench

bench-takeover: servers ## what it takes to go on when a process is killed, in about 5 minutes (KILLS of each kind, 5)
	CHARTWIRE_KILLS=$(or $(KILLS),5) $(GO) test -run '^$$' -bench 'Takeover|SafetyThroughKill' -benchtime 1x -timeout 40m ./integration

fuzz: ## every fuzz target for a while (FUZZTIME, 30s each)
	./integration/fuzz.sh $(or $(FUZZTIME),30s)

soak: servers ## the randomized test of capture until it is stopped, or until a run differs
	CHARTWIRE_RUNS=0 $(GO) test -race -count=1 -timeout 0 -v -run TestSoak ./integration/soak

test-containers: ## the smoke test with every server in a container (testcontainers-go)
	eval "$$(./integration/containers/images.sh)" && $(GO) test -count=1 -v -run 'Containers' ./integration/...
