# Everything a newcomer types: `make demo` and `make test`. Each sets up as much of the virtual environment as it needs.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# What runs (requirements.lock), what every test and the linters need, and what only the long tests need.
RUNS   := $(VENV)/.runtime
STAMP  := $(VENV)/.installed
LONG   := $(VENV)/.long
# A Spark of its own for the tests of the extra `spark`: what users have is a cluster, and its thin client.
SPARK  := $(VENV)/spark/.unpacked
# Sphinx, which makes the site of the documents.
DOCS   := $(VENV)/.docs
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SECONDS ?=
PAGE ?=
CONFIG ?= config/agent.yaml
PYTEST_ARGS ?=
# Most tests wait for sockets, clocks and other programs: three workers kept two cores busy for 57 % of the time.
WORKERS ?= 4

.PHONY: demo test long check lint run bench docs install deb audit lock clean

demo: $(RUNS)                 ## the main job on the embedded lab; SECONDS=40 bounds it, PAGE=1 serves the page
	@$(BIN)/cdn-probe demo $(if $(SECONDS),--seconds $(SECONDS)) $(if $(PAGE),--page)

PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: $(STAMP)                ## every test but the long ones; system tests run where their programs are installed
	$(PYTEST) -m 'not long' $(PYTEST_ARGS)

long: $(LONG) $(SPARK) $(DOCS)     ## the rest: proofs in bulk, real servers, an agent for minutes
	LONG=1 $(PYTEST) -m 'long or scaled or hypothesis' $(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/vulture

check: lint test              ## ruff, mypy --strict, the contracts of imports, dead code and `make test`, warnings as errors

run: $(RUNS)                  ## the daemon with CONFIG=config/agent.yaml
	$(BIN)/cdn-probe run -c $(CONFIG)

docs: $(DOCS)                 ## build/site: the documents as a site, without a network; a warning fails
	$(BIN)/python -m sphinx -b html -W --keep-going -q -c packaging/site -d build/site-cache . build/site
	@echo "build/site/index.html"

bench: $(STAMP)
	$(BIN)/python -m benchmarks

# Both are for one interpreter, the system's own: an account of the service must be able to run it.
SYSTEM_PYTHON ?= /usr/bin/python3
PREFIX  ?= /usr/local
DESTDIR ?=
# requirements-stamps.lock: with the extra `stamps`, for time stamps by a third party; requirements-http3.lock: `http3`.
LOCK    ?= requirements.lock

install: $(RUNS)              ## the command, unit, account and directories under PREFIX; enables and starts nothing
	LOCK='$(LOCK)' PIP='$(abspath $(BIN))/python -m pip' packaging/install '$(DESTDIR)' '$(PREFIX)' $(SYSTEM_PYTHON)

deb: $(RUNS)                  ## dist/cdn-probe_VERSION_ARCHITECTURE.deb
	LOCK='$(LOCK)' PIP='$(abspath $(BIN))/python -m pip' packaging/deb dist $(SYSTEM_PYTHON)

# Hashes are checked by pip. What the checkout itself is installed with (hatchling) and what makes man pages (click-man) have their pins in the lock of
# development; pip reads those as constraints, so that nothing else of it is installed.
$(RUNS): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "cdn-probe needs Python 3.11 to 3.13, this is " + sys.version.split()[0])'
	@echo "Installing into $(VENV) what requirements.lock pins (about half a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --require-hashes -c requirements-dev.lock hatchling editables click-man
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(STAMP): $(RUNS) requirements-dev.lock
	@echo "Installing what the tests need, by requirements-dev.lock ..."
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

$(LONG): $(STAMP) requirements-long.lock
	$(PIP) --require-hashes -c requirements-long.lock setuptools
	$(PIP) --require-hashes --no-build-isolation -r requirements-long.lock
	touch $@

$(DOCS): $(RUNS) requirements-docs.lock
	$(PIP) --require-hashes -r requirements-docs.lock
	touch $@

# Unpacked and not installed: the thin client and the whole of PySpark are packages of one name.
$(SPARK): $(LONG) requirements-spark-server.lock
	rm -rf $(@D) && mkdir $(@D)
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps --no-build-isolation \
	  --require-hashes -d $(@D) -r requirements-spark-server.lock
	tar -xzf $(@D)/pyspark-*.tar.gz -C $(@D) --strip-components=2 --wildcards 'pyspark-*/deps/jars' 'pyspark-*/deps/bin'
	rm $(@D)/pyspark-*.tar.gz
	touch $@

audit:                        ## known vulnerabilities in what is pinned; needs pip-audit and a network, and says so
	@packaging/audit

lock:                         ## renew the lock files; needs `uv` on the PATH
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -o requirements.lock
	uv pip compile pyproject.toml --extra stamps --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements.lock -q -o requirements-stamps.lock
	uv pip compile pyproject.toml --extra http3 --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements.lock -q -o requirements-http3.lock
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements.lock -q -o requirements-dev.lock
	uv pip compile pyproject.toml --extra dev --extra long --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements-dev.lock -q -o requirements-long.lock
	uv pip compile pyproject.toml --extra docs --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements-long.lock -q -o requirements-docs.lock
	sed -n 's/^pyspark-client==\([0-9.]*\).*/pyspark==\1/p' requirements-long.lock | \
	  uv pip compile - --no-deps --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements-spark-server.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
