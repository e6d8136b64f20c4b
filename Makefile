# Everything a newcomer types: `make demo` and `make test`. Both set up the virtual environment by themselves.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SECONDS ?=
CONFIG ?= config/agent.yaml
PYTEST_ARGS ?=
# Most tests wait for sockets, clocks and other programs rather than for a processor.
WORKERS ?= 3

.PHONY: demo test check lint run bench install deb audit lock clean

demo: $(STAMP)                ## the main job on the embedded lab; SECONDS=40 bounds it
	$(BIN)/cdn-probe demo $(if $(SECONDS),--seconds $(SECONDS))

test: $(STAMP)                ## the whole suite; system tests run where their programs are installed
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

check: lint test              ## ruff, mypy --strict, the architecture test and the suite, warnings as errors

run: $(STAMP)                 ## the daemon with CONFIG=config/agent.yaml
	$(BIN)/cdn-probe run -c $(CONFIG)

bench: $(STAMP)
	$(BIN)/python -m benchmarks

# Both are for one interpreter, the system's own: an account of the service must be able to run it.
SYSTEM_PYTHON ?= /usr/bin/python3
PREFIX  ?= /usr/local
DESTDIR ?=

install: $(STAMP)             ## the command, unit, account and directories under PREFIX; enables and starts nothing
	PIP='$(abspath $(BIN))/python -m pip' packaging/install '$(DESTDIR)' '$(PREFIX)' $(SYSTEM_PYTHON)

deb: $(STAMP)                 ## dist/cdn-probe_VERSION_ARCHITECTURE.deb
	PIP='$(abspath $(BIN))/python -m pip' packaging/deb dist $(SYSTEM_PYTHON)

# The interpreter's own SECONDS must not leak into the recipe's shell; hashes are checked by pip.
$(STAMP): requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "cdn-probe needs Python 3.11 to 3.13, this is " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(STAMP)

audit:                        ## known vulnerabilities in what is pinned; needs pip-audit and a network
	pip-audit --strict --disable-pip --require-hashes -r requirements.lock

lock:                         ## renew both lock files; needs `uv` on the PATH
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -o requirements.lock
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements.lock -q -o requirements-dev.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
