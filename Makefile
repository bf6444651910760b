# Targets for people who work on flexbrevo; README.md says which two everybody needs.
.PHONY: test lint build bench needs

VERSION ?=

build: ## static binary in bin/
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/flexbrevo ./cmd/flexbrevo

test: needs ## everything, with the race detector
	go test -race -shuffle=on -timeout 20m ./...

needs: ## PostgreSQL's server binaries, for the store's tests
	@.ci/needs

lint: ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -l cmd config connector mapping migrations)" || { gofmt -l cmd config connector mapping migrations; exit 1; }
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

bench: ## the figures of the benchmarks
	go test -run '^$$' -bench . -benchmem ./...
