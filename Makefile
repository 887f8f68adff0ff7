# make reproduce: every notebook on embedded data, figures/ and figures/gallery.html · make test · make lab
# The first call sets up .venv from requirements.lock; a folder of your own: make VENV=elsewhere ...
# CPU=1 at that first call takes PyTorch without CUDA, some 4 GB less: make CPU=1 setup
# It compiles what it installs: where PYTHONDONTWRITEBYTECODE is set, each process would spend seconds on it again.

PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
UV = $(BIN)/uv pip install --quiet --python $(BIN)/python
LOCK = $(if $(CPU),$(VENV)/cpu.lock,requirements.lock)
FOLDERS = ALNB_STORE ALNB_FIGURES ALNB_EXECUTED ALNB_DATA
TORCH_CPU = https://download.pytorch.org/whl/cpu

.PHONY: reproduce test bench lab setup lock clean

reproduce: setup
	$(BIN)/alnb reproduce

test: setup
	$(BIN)/python -m pytest --numprocesses auto --benchmark-disable

bench: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m bench -p no:cacheprovider

lab: setup  # a kernel works in notebooks/: folders that the environment names are made absolute here
	@for name in $(FOLDERS); do eval "given=\$$$$name"; case "$$given" in ''|/*) ;; *) export "$$name=$$PWD/$$given" ;; esac; done; \
	env -u JUPYTER_PATH JUPYTER_PREFER_ENV_PATH=1 $(BIN)/jupyter lab --notebook-dir=notebooks --LabApp.news_url=None $(if $(filter 0,$(shell id -u)),--allow-root)

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "alnb needs Python 3.11, 3.12 or 3.13; none is on PATH"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
ifdef CPU
	$(UV) --no-deps --index-url $(TORCH_CPU) $$(grep -E '^torch(vision)?==' requirements.lock)
	grep -vE '^(cuda|nvidia|triton)' requirements.lock > $(LOCK)
endif
	$(UV) --compile-bytecode -r $(LOCK)
	$(UV) --no-deps --editable .
	@git config filter.nbstripout.clean "'$(abspath $(BIN))/python' -m nbstripout --keep-id" 2>/dev/null || true
	touch $@

lock: setup
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra test --no-annotate pyproject.toml -o requirements.lock

clean:
	rm -rf data/store data/executed figures/laptop figures/smoke figures/*-????????
