.PHONY: demo test

PYTHON ?= python3
VENV   ?= .venv
# Tests run in this many processes of one thread each.
TEST_PROCESSES ?= 2
# Two busy threads that wait by spinning slow each other down; waiting passively does not.
export OMP_WAIT_POLICY = passive

demo: $(VENV)/.ready
	$(VENV)/bin/seewhy demo $(DEMO_ARGS)

test: $(VENV)/.ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n $(TEST_PROCESSES) --dist loadfile $(TEST_ARGS)

$(VENV)/.ready: pyproject.toml constraints/py311.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' || \
	    { echo "Seewhy needs Python 3.11 or newer, but $(PYTHON) is older. Run: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	    { echo "$(PYTHON) cannot make virtual environments. On Debian: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -c 'import shutil, sys; free = shutil.disk_usage(".").free / 1e9; sys.exit(0 if free > 8 else f"Setting up needs about 6 GB of disk (PyTorch with CUDA); only {free:.1f} GB are free here.")'
	@echo "Setting up $(VENV): about 6 GB and two minutes, once."
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -c constraints/py311.txt pip
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -c constraints/py311.txt \
	    --build-constraint constraints/py311.txt -e . --group dev
	touch $@
