# What people type. `make` alone lists it.

CARGO ?= cargo

.PHONY: help dev test check bench nightly generate compat solver

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make dev       build and start on http://127.0.0.1:8080 with a demo organisation
dev:
	@$(CARGO) build --package countersign
	@exec target/debug/countersign dev

## make test      every check: format, lints, shape, tests, generated files, published SDKs
test: check solver
	$(CARGO) test --workspace
	compat/run

## make check     what needs no running server: format, lints, shape, docs, generated files
check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) run --quiet --package xtask -- shape
	$(CARGO) run --quiet --package xtask -- docs
	$(CARGO) run --quiet --package xtask -- generate --check

## make generate  rewrite what is generated and checked in: docs/openapi.json, docs/config.schema.json
generate:
	$(CARGO) run --quiet --package xtask -- generate

## make bench     measure against floors of the same run; writes target/bench.json
bench:
	$(CARGO) build --release --package countersign --package countersign-bench
	@python3 -m venv target/bench-venv && target/bench-venv/bin/pip install --quiet --disable-pip-version-check -r bench/requirements.txt || echo "bench: python3 with venv and a package index are missing; the comparison is skipped"
	@GOBIN=$(CURDIR)/target/bench-venv/bin go install github.com/open-policy-agent/opa@v1.4.2 || echo "bench: go and a module proxy are missing; the comparison with opa is skipped"
	target/release/countersign-bench target/release/countersign

## make nightly   what takes long: 200 kills under load, some of them on a full disk, and power cuts
nightly:
	COUNTERSIGN_KILLS=200 $(CARGO) test --package countersign --test crash -- --nocapture
	$(CARGO) test --package countersign-store --test torn -- --nocapture

## make compat    the published SDKs and TRACE tools against a live server
compat:
	$(CARGO) build --package countersign
	compat/run

## make solver    the solver that the tests of `policy prove` ask: target/solver-venv/bin/cvc5
solver:
	compat/solver/install
