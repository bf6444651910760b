# Targets for people who work on flexbrevo; README.md says which two everybody needs.
.PHONY: test lint build bench scale crash needs profile

VERSION ?=

# SQLite's translated C code keeps its own locks; instrumenting it, too, would make the
# store's tests four times slower and could only find faults that are not ours.
RACE = -race -gcflags=modernc.org/sqlite/...=-race=false -gcflags=modernc.org/libc/...=-race=false

build: ## static binary in bin/
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/flexbrevo ./cmd/flexbrevo

# The commands' tests start the binary as a process, so that the race detector would see
# the tests alone, and Go would not see that a cached result is of another binary.
test: needs ## everything, the packages with the race detector
	go test $(RACE) -shuffle=on -timeout 20m $$(go list ./... | grep -v /cmd/)
	go test -count=1 -shuffle=on -timeout 20m ./cmd/...

needs: ## PostgreSQL's server binaries, for the store's tests
	@.ci/needs

lint: ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -l cmd config connector mapping migrations)" || { gofmt -l cmd config connector mapping migrations; exit 1; }
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

bench: needs ## the figures of design section 8, each beside the machine's own limits (docs/scale.md)
	go test -run '^$$' -bench 'Machine|Webhook|Lag|Budget' -benchtime 2s ./connector
	go test -run '^$$' -bench PullToCaptured -benchtime 3x ./connector
	go test -run '^$$' -bench PullToSettled -benchtime 3x ./cmd/flexbrevo
	go test -run '^$$' -bench Sync -benchtime 1x ./connector
	go test -run '^$$' -bench 'Capture|Digest|Deliver|Grown' -benchtime 1s ./connector/store/sqlstore

# The compiler reads cmd/flexbrevo/default.pgo whenever the command is built. It takes nothing from it but which calls
# are hot, so that an old one does no harm. Its bytes name the binary it was taken of, which is nobody's business.
profile: needs ## takes that profile anew, after the hot paths have changed
	mkdir -p bin && rm -f bin/*.prof
	go test -trimpath -c -o bin/profile.test ./connector
	cd connector && ../bin/profile.test -test.run '^$$' -test.bench Sync -test.benchtime 3x -test.cpuprofile ../bin/sync.prof
	cd connector && ../bin/profile.test -test.run '^$$' -test.bench Webhook -test.benchtime 1s -test.cpuprofile ../bin/webhook.prof
	go tool pprof -proto bin/sync.prof bin/webhook.prof | gunzip | perl -pe 's{/[^\s\x00-\x1f]*?bin/profile\.test}{"-" x length $$&}eg' | gzip -9n > cmd/flexbrevo/default.pgo

scale: ## time and memory of one first sync of so many tasks on SQLite (docs/scale.md): make scale TASKS=100000
	FLEXBREVO_CONTACTS=$$(( $(or $(TASKS),10000) * 100 / 117 )) go test -run '^$$' -bench PullToSettled/sqlite -benchtime 1x -timeout 6h ./cmd/flexbrevo

crash: needs ## the crash matrix on both databases: make crash KILLS=1000 SEED=2
	go test -c -o bin/crash.test ./cmd/flexbrevo
	cd cmd/flexbrevo && FLEXBREVO_KILLS=$(or $(KILLS),50) FLEXBREVO_SEED=$(or $(SEED),1) ../../bin/crash.test -test.run TestCrash -test.parallel 4 -test.timeout 4h

release: ## static binaries, checksums and a bill of materials (CycloneDX) in dist/; VERSION=v1.2.3 make release
	@test -n "$(VERSION)" || { echo "VERSION=v1.2.3 make release"; exit 2; }
	rm -rf dist && mkdir dist
	for target in linux/amd64 linux/arm64 darwin/arm64 windows/amd64; do \
	  os=$${target%/*}; arch=$${target#*/}; ext=; [ $$os = windows ] && ext=.exe; \
	  CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o dist/flexbrevo-$(VERSION)-$$os-$$arch$$ext ./cmd/flexbrevo || exit 1; \
	done
	go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0 app -json -licenses -main cmd/flexbrevo -output dist/flexbrevo-$(VERSION).cdx.json .
	cd dist && sha256sum * > SHA256SUMS
