# The front door. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Settings of `make run-job`; see `target/debug/storepulse run-job --help`. `make chaos` takes SEED and RATE
# only where they are given.
DURATION ?= 60s
RATE ?= 500
SEED ?= 1
USERS ?= 2000
USERS_SOURCE ?= auto
ROUNDS ?= 25

STOREPULSE := target/debug/storepulse

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  make bench takes ONLY=\"ingestion relay collector latency\"; there are also plan, sink, chain, recovery, start, attack and console"
	@echo "  make chaos takes ROUNDS=25, SEED=<a new one>, RATE=300 (events/s)"
	@echo "  make run-job takes DURATION=60s (or forever), RATE=500 (events/s), SEED=1, USERS=2000, USERS_SOURCE=auto|api|simulated"

.PHONY: setup
setup: ## install what a fresh Debian 12 lacks; does nothing the second time
	@services/packages.sh
	@services/webjars

.PHONY: build
build: setup ## build everything in the one profile that run-job, tests and bench share
	@cargo build --locked --workspace --all-targets

# Where `make install` puts the command, what shells complete of it, and its manual pages.
PREFIX ?= $(HOME)/.local
RELEASE := target/release/storepulse

.PHONY: release
release: setup ## build the command as it is shipped: optimised, stripped, without the failpoints of tests
	@cargo build --locked --release --no-default-features --package storepulse

.PHONY: install
install: release ## put the command, its completions and manual pages into PREFIX (~/.local unless set)
	@install -D -m 755 $(RELEASE) "$(PREFIX)/bin/storepulse"
	@install -d "$(PREFIX)/share/bash-completion/completions" "$(PREFIX)/share/zsh/site-functions" "$(PREFIX)/share/fish/vendor_completions.d"
	@$(RELEASE) completions bash >"$(PREFIX)/share/bash-completion/completions/storepulse"
	@$(RELEASE) completions zsh >"$(PREFIX)/share/zsh/site-functions/_storepulse"
	@$(RELEASE) completions fish >"$(PREFIX)/share/fish/vendor_completions.d/storepulse.fish"
	@$(RELEASE) man "$(PREFIX)/share/man/man1"
	@echo "installed $(PREFIX)/bin/storepulse; it starts services from this checkout: $(CURDIR)"
	@case ":$$PATH:" in *":$(PREFIX)/bin:"*) ;; *) echo "not in PATH yet: export PATH=\"$(PREFIX)/bin:\$$PATH\"" ;; esac

.PHONY: uninstall
uninstall: ## remove what `make install` put into PREFIX
	@rm -f "$(PREFIX)/bin/storepulse" "$(PREFIX)/share/bash-completion/completions/storepulse" \
	    "$(PREFIX)/share/zsh/site-functions/_storepulse" "$(PREFIX)/share/fish/vendor_completions.d/storepulse.fish" \
	    "$(PREFIX)"/share/man/man1/storepulse.1 "$(PREFIX)"/share/man/man1/storepulse-*.1

$(STOREPULSE): FORCE
	@cargo build --locked --package storepulse

.PHONY: FORCE
FORCE:

.PHONY: up
up: setup $(STOREPULSE) ## start the stack: every service as a local process
	@$(STOREPULSE) stack up

.PHONY: down
down: $(STOREPULSE) ## stop the stack; its data stays
	@$(STOREPULSE) stack down

.PHONY: status
status: $(STOREPULSE) ## what runs, where, and how it does
	@$(STOREPULSE) stack status

.PHONY: run-job
run-job: setup $(STOREPULSE) ## the main job end to end, verified; leaves the stack up
	@$(STOREPULSE) run-job --duration $(DURATION) --rate $(RATE) --seed $(SEED) --users $(USERS) --users-source $(USERS_SOURCE)

# SHOP_PORT chooses its port: 56070 unless set.
.PHONY: shop
shop: setup $(STOREPULSE) ## a demo shop in the browser, whose clicks reach the Control Center; until Ctrl-C
	@shop/open

# Users come from where USERS_SOURCE says, the API unless it is given: an hour run again must ask the same
# source.
.PHONY: airflow
airflow: setup $(STOREPULSE) ## scheduler, API server and DAG processor on the stack; prints the page's address
	@$(if $(filter file,$(origin USERS_SOURCE)),,AIRFLOW_VAR_USERS_SOURCE=$(USERS_SOURCE)) $(STOREPULSE) stack up --with airflow

.PHONY: airflow-down
airflow-down: $(STOREPULSE) ## stop Airflow and leave the line running
	@$(STOREPULSE) stack down --only airflow

.PHONY: test-packages
test-packages:
	@services/packages.sh tests

.PHONY: test
test: build test-packages ## every test on real services but the long ones
	@tests/run

.PHONY: test-all
test-all: build test-packages ## the tests of `make test` and the long ones
	@STOREPULSE_LONG_TESTS=1 tests/run

.PHONY: chaos
chaos: setup $(STOREPULSE) ## kill, freeze and interrupt everything under load on a stack of its own; fails when an event is lost or counts twice
	@cargo build --locked --workspace --bins
	@target/debug/chaos --rounds $(ROUNDS) \
	    $(if $(filter file,$(origin SEED)),,--seed $(SEED)) $(if $(filter file,$(origin RATE)),,--rate $(RATE))

.PHONY: notebooks
notebooks: setup $(STOREPULSE) ## JupyterLab against the running stack, until Ctrl-C
	@notebooks/open

.PHONY: notebooks-render
notebooks-render: setup $(STOREPULSE) ## execute the notebooks on a simulated day and write docs/notebooks
	@$(STOREPULSE) stack up
	@notebooks/render

.PHONY: compose-secrets
compose-secrets: ## the secrets of docker-compose.yml, where there are none yet, in .compose/secrets
	@services/container/secrets

.PHONY: compose-build
compose-build: ## the images of docker-compose.yml
	@services/container/build

.PHONY: compose-up
compose-up: compose-secrets compose-build ## the whole line in containers
	@. services/container/compose; compose up --detach --no-build

.PHONY: compose-down
compose-down: ## stop the containers; their volumes stay
	@. services/container/compose; COMPOSE_PROFILES=airflow,cluster,grafana,notebooks,observe compose down

.PHONY: compose-test
compose-test: ## images, start, load, restarts and verification in containers, then nothing left
	@tests/compose

.PHONY: cluster-test
cluster-test: ## three brokers and Cassandra nodes, two masters, workers and supervisors: one of each is killed under load
	@tests/cluster

.PHONY: lint
lint: setup ## format, scripts, Dockerfiles, clippy, documentation, licences, advisories
	@cargo fmt --all --check
	@.ci/one-build
	@.ci/import-circles
	@.ci/links
	@.ci/line-length
	@services/sbom --check >/dev/null
	@python3 notebooks/hygiene.py
	@tests/compose --check
	@services/container/lint
	@for script in $$(git grep -lE '^#!.*sh$$|^# shellcheck shell=bash'); do bash -n "$$script"; done
	@if command -v shellcheck >/dev/null; then shellcheck --severity warning --external-sources $$(git grep -lE '^#!.*sh$$|^# shellcheck shell=bash'); \
	 else echo "shellcheck is not installed: skipped (apt-get install shellcheck)"; fi
	@if cargo clippy --version >/dev/null 2>&1; then cargo clippy --locked --workspace --all-targets --quiet -- -D warnings; \
	 else echo "clippy is not installed: skipped (Debian's cargo-web comes without it)"; fi
	@RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet
	@if cargo deny --version >/dev/null 2>&1; then cargo deny --locked check bans licenses sources; \
	 else echo "cargo-deny is not installed: skipped (cargo install --locked cargo-deny)"; fi
	@tests/advisories

.PHONY: sbom
sbom: ## what the command and each image consist of, as CycloneDX in target/sbom; of what is installed
	@services/sbom

# What `make bench` measures: names that `target/release/bench --help` lists.
ONLY ?= ingestion relay collector latency

.PHONY: bench
bench: release ## measure the release build against limits and peers in the same run, and print the ratios
	@cargo build --locked --release --package bench
	@for what in $(ONLY); do target/release/bench $$what || exit 1; done

.PHONY: clean
clean: ## stop the stack and remove its data; what was built and downloaded stays
	@if [ -x $(STOREPULSE) ]; then $(STOREPULSE) stack down --purge; fi
