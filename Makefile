# Every command that CI runs, and CI runs nothing else. `make demo` and `make test` do all set-up.
CACHE ?= $(or $(TULLE_CACHE),$(HOME)/.cache/tulle)
BIN := $(CACHE)/venv/bin
export TULLE_CACHE := $(CACHE)
export CARGO_TARGET_DIR := $(CACHE)/target
export PATH := $(BIN):$(PATH)
PYTEST := $(BIN)/python -m pytest

.PHONY: help
help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: setup
setup: ## Python, stubs: what the fast tests need
	@python3 tools/prepare.py stubs

.PHONY: prepare
prepare: ## All of it: Kubernetes' binaries, the proxy, the images
	@python3 tools/prepare.py

.PHONY: peers
peers: ## Others' programs that proxy and charts are tried with: h2spec, gRPC's own, Helm
	@python3 tools/prepare.py peers

.PHONY: fmt
fmt: setup ## Format Python and Rust
	ruff format -q .
	ruff check -q --fix .
	cargo fmt --all

.PHONY: fmt-check
fmt-check:
	ruff format -q --check .
	cargo fmt --all --check

.PHONY: lint
lint: setup fmt-check ## ruff, import contracts, sizes, clippy; types and eslint of the page
	ruff check -q .
	lint-imports
	python tools/sizes.py
	python tools/web.py lint
	nice cargo clippy -q --locked --workspace --all-targets -- -D warnings
	nice cargo clippy -q --locked --manifest-path crates/proxy/fuzz/Cargo.toml --no-default-features -- -D warnings

.PHONY: types
types: setup ## mypy --strict
	mypy

.PHONY: test-fast
test-fast: setup ## Unit tests: no root, no cluster
	$(PYTEST) -m "not root and not apiserver and not cluster and not browser and not helm and not slow"

.PHONY: test-rust
test-rust: setup ## The proxy, the init program and their tests
	nice cargo test -q --locked --workspace

.PHONY: test-root
test-root: setup peers ## Tests in network namespaces of their own, as root, and those with others' programs
	$(PYTEST) -m "root and not cluster"
	nice cargo test -q --locked --workspace -- --ignored --skip cost_little

.PHONY: bench-tap
bench-tap: setup ## What a tap costs a proxy, which a busy machine cannot tell
	cargo test --locked --release -p tulle-proxy --test tap_cost -- --ignored --nocapture

.PHONY: test-browser
test-browser: ## The dashboard's page: vitest, then every view in a real Chromium
	@python3 tools/prepare.py stubs web browser
	python tools/web.py test
	$(PYTEST) -m "browser"

.PHONY: test-wire
test-wire: prepare ## The control plane on kube-apiserver and etcd alone
	$(PYTEST) -m "apiserver and not helm and not slow"

.PHONY: test-helm
test-helm: setup peers ## The charts as Helm reads them
	$(PYTEST) -m helm tests/chart

.PHONY: e2e
e2e: prepare peers ## Stories on a real one-node Kubernetes of their own
	$(PYTEST) -m "cluster" --durations=10

.PHONY: test
test: prepare lint types test-fast test-file test-rust test-root test-browser test-wire test-helm e2e ## All of it

.PHONY: demo
demo: prepare ## The mesh on a local Kubernetes, with real traffic
	$(BIN)/python tools/demo.py

BUILT := $(CARGO_TARGET_DIR)/x86_64-unknown-linux-gnu/release

.PHONY: bench
bench: ## The proxy beside its peers; ARGS="--quick" for a look, TULLE_PEER_PROXY=linkerd2-proxy
	@python3 tools/prepare.py bench
	PYTHONPATH=src $(BIN)/python -m bench.sidecars --proxy $(BUILT)/tulle-proxy --generator $(BUILT)/tulle-loadgen $(ARGS)

.PHONY: profile
profile: ## Count anew what runs often in the proxy, for its optimized builds; after a large change of it
	@python3 tools/prepare.py bench
	$(BIN)/python tools/proxy_profile.py

.PHONY: bench-mesh
bench-mesh: prepare ## Discovery alone, then pod starts and convergence on the current cluster
	$(PYTEST) -m "apiserver and slow" tests/wire/test_figures.py
	$(BIN)/python bench/convergence.py
	$(BIN)/python bench/starts.py

.PHONY: bench-viz
bench-viz: prepare ## viz with 500 proxies, the graph of 500 workloads; then memory after ten minutes of load on the current cluster
	@python3 tools/prepare.py web browser
	PYTHONPATH=src $(BIN)/python bench/many_proxies.py
	PYTHONPATH=src $(BIN)/python bench/topology.py
	$(BIN)/python bench/memory.py

.PHONY: web
web: ## The dashboard's page: check it, then build it
	@python3 tools/web.py lint test build

.PHONY: conformance
conformance: setup peers ## HTTP/2 by h2spec, gRPC by Go's and Python's own libraries
	nice cargo test -q --locked -p tulle-proxy --test wire -- --ignored

.PHONY: charts
charts: setup ## Write the charts' templates anew, after a change of src/tulle/install or values.yaml
	python tools/charts.py

.PHONY: wheel
wheel: setup ## The Python distribution, charts and page included: dist/tulle-*.whl
	@python3 tools/web.py
	python tools/one_file.py --wheel

.PHONY: cli
cli: setup ## The command line as one file: dist/tulle
	python tools/one_file.py

.PHONY: test-file
test-file: setup ## The one file, as its user runs it
	$(PYTEST) -m "slow and not root and not apiserver and not cluster"

.PHONY: fuzz
fuzz: setup ## Each fuzz target of the proxy for an hour; SECONDS= and TARGETS= choose less
	nice -n 19 $(BIN)/python tools/fuzz.py --seconds $(or $(SECONDS),3600) $(TARGETS)

.PHONY: soak
soak: ## An hour of 1,000 requests/s while endpoints change every second, as root; SECONDS= chooses less
	@python3 tools/prepare.py proxy
	mkdir -p bench/results
	TULLE_PROXY_BIN=$(CARGO_TARGET_DIR)/x86_64-unknown-linux-gnu/release/tulle-proxy \
	TULLE_SOAK_SECONDS=$(or $(SECONDS),3600) TULLE_SOAK_RATE=1000 TULLE_SOAK_OUT=$(CURDIR)/bench/results/soak.json \
	CARGO_PROFILE_DEV_OPT_LEVEL=1 nice cargo test --locked -p tulle-proxy --test soak -- --ignored --nocapture

.PHONY: images
images: setup ## Pack the images
	python tools/images.py
