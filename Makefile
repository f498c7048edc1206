# Everything happens in .venv, inside the checkout.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run demo test check setup format bench simulate torture upgrade fuzz docs release test-versions clean

## run: broker and Video Studio up, one sample job made, servers stay up until Ctrl-C
run: setup
	@$(BIN)/video-studio demo --keep

## demo: the same, ends when the video is finished; the last line is the path of the MP4
demo: setup
	@$(BIN)/video-studio demo

## test: every test and every check
test: setup
	@scripts/test

## check: format, lint, types and import rules
check: setup
	@scripts/check

## bench: speed of accept, deliver, settle, and of millions of rows (some minutes); never part of the tests
bench: setup
	@$(BIN)/python -m benchmarks.throughput
	@$(BIN)/python -m benchmarks.idle
	@$(BIN)/python -m benchmarks.history
	@$(BIN)/python -m benchmarks.accept
	@$(BIN)/python -m benchmarks.flat
	@$(BIN)/python -m benchmarks.lanes
	@$(BIN)/python -m benchmarks.burst
	@$(BIN)/python -m benchmarks.bulk_cancel
	@$(BIN)/python -m benchmarks.retention
	@$(BIN)/python -m benchmarks.workflows
	@$(BIN)/python -m benchmarks.nodes

## simulate: random histories with crashes, SEEDS of them, and a twentieth of that on PostgreSQL, statement by statement
simulate: setup
	@SEEDS=$(or $(SEEDS),1000) $(BIN)/pytest -q tests/simulation

## torture: MINUTES of kill -9 under load with a ledger, on SQLite and on PostgreSQL
torture: setup
	@MINUTES=$(or $(MINUTES),5) $(BIN)/pytest -q -s --timeout 7200 tests/faults/torture.py

## upgrade: brokers of the revision FROM are replaced by those of this tree under load, and back, with a ledger (some ten minutes)
upgrade: setup
	@FROM=$(or $(FROM),HEAD~1) $(BIN)/pytest -q -s --timeout 1800 tests/faults/upgrade.py

## fuzz: SECONDS for each reader of outside input, guided by what of the code it has reached (atheris, installed on demand)
fuzz: setup
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group fuzz
	@PYTHONPATH=tests $(BIN)/python -m fuzz.harness $(or $(SECONDS),30)

## docs: the site, searchable, into build/site
docs: setup
	@$(BIN)/zensical build --clean --strict

## release: wheel, source archive and SBOM into dist, tried in an empty environment
release: setup
	@scripts/release

## test-versions: the inner tests under each supported Python found here
test-versions: setup
	@scripts/test-versions

format: setup
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

setup: .venv/ready

.venv/ready: pyproject.toml apps/video/pyproject.toml constraints.txt
	@PYTHON="$(PYTHON)" scripts/setup

clean:
	rm -rf .venv node_modules data dist build
