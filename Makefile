# From a clone to a drive: `make run`. Everything is made inside this folder; `make help` lists the rest.

PYTHON ?= python3
ifeq ($(filter-out jazzy,$(DISTRO)),)
VENV := .venv
else
VENV := .venv-$(DISTRO)
endif
BIN := $(VENV)/bin
OUT ?= out/drive
PYTEST := $(BIN)/python -m pytest -q -p no:cacheprovider --timeout=600
LOOPBACK := ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
WITH := sim

export DISTRO
ifneq ($(DISTRO),)
# layouts of messages follow the distribution; after set-up, since there a set ROS_DISTRO means a sourced ROS 2
AS_DISTRO := ROS_DISTRO=$(DISTRO)
endif
# set by the ROS 2 wheels of another environment, it would keep ours from finding its libraries
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE

.DEFAULT_GOAL := help
.PHONY: help run test pytest lint setup benchmark clean

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo 'DISTRO=kilted make ... does the same with ROS 2 Kilted in .venv-kilted; where a ROS 2 is sourced, that is used.'

run: setup  ## drive a scenario of the simulator with all processes live; ends with a report
	$(AS_DISTRO) $(BIN)/autonomy drive --out $(OUT) --force model:=lidar_small $(ARGS)

setup:  ## make .venv with the `autonomy` command; at once if nothing has changed
	@$(PYTHON) bootstrap/environment.py $(WITH)

test: lint pytest  ## check style and types, run all tests

pytest: WITH := sim import test cluster
pytest: setup  ## run the tests only; TESTS=test/node narrows them
	@failed=0; export $(LOOPBACK) $(AS_DISTRO); \
	$(PYTEST) -n 2 -m 'not live' --junitxml=$(VENV)/tests.xml $(TESTS) || failed=1; \
	if $(PYTEST) -m live --collect-only $(TESTS) >/dev/null 2>&1; then \
	  $(PYTEST) -m live --junitxml=$(VENV)/tests-live.xml $(TESTS) || failed=1; \
	fi; \
	exit $$failed

lint: WITH := sim test
lint: setup  ## check style and types only
	$(BIN)/ruff check autonomy_nodes bootstrap launch test setup.py
	$(BIN)/mypy autonomy_nodes bootstrap setup.py

benchmark:  ## make .venv-benchmark: the CommonRoad tools that judge `autonomy evaluate planning`
	@$(PYTHON) bootstrap/benchmark.py

clean:  ## remove everything that was made here
	rm -rf .venv .venv-* build install log out .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
