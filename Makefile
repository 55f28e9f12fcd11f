# Faces in Stone. `make` lists what there is; every target sets up what it needs by itself.
# GNU Make is the graph: a run's target is its run.json; the runner decides by content whether there is anything to do.

PROFILE    ?= demo
COLLECTION ?=
SET        ?=
NB         ?=
JOBS       ?= 0
SCHEDULER  ?=
PYTHON3    ?= python3
VENV       ?= .venv
DEVICE     ?= $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
DEVICE     := $(DEVICE)# asked of the machine once

quoted     = '$(subst ','\'',$(1))'
RUNS      := runs/$(PROFILE)$(shell $(PYTHON3) -m lib.compendium.places $(call quoted,$(COLLECTION)))
REQUESTS  := $(RUNS)/.requests
READY     := $(VENV)/.ready-$(DEVICE)
CLI        = PYTHONPATH=. COMPENDIUM_JOBS=$(call quoted,$(JOBS)) COMPENDIUM_SCHEDULER=$(call quoted,$(SCHEDULER)) \
             $(VENV)/bin/python -m lib.compendium
ASKED      = --profile $(call quoted,$(PROFILE)) --runs $(RUNS) --collection $(call quoted,$(COLLECTION)) \
             --set $(call quoted,$(SET)) --goals '$(MAKECMDGOALS)' --without '$(WITHOUT)'

NOTEBOOKS := $(sort $(basename $(notdir $(wildcard notebooks/[0-9]*.ipynb))))
NUMBERS   := $(foreach name,$(NOTEBOOKS),$(firstword $(subst _, ,$(name))))
# The studies beside the main one bring their own material: `make reproduce COLLECTION=…` leaves them out, `make 08` runs one.
BESIDE    := 07 08 09 10
WITHOUT   := $(if $(COLLECTION),$(BESIDE))
# A notebook is one run, or one run a variant where the profile has a folder of variants for it. `make 04 SET="backbone=vgg16"` makes
# the one variant it names, whether the profile lists it or not.
BACKBONE  := $(patsubst backbone=%,%,$(filter backbone=%,$(subst 04.,,$(SET))))
variants_of = $(basename $(subst params/$(PROFILE)/,,$(wildcard params/$(PROFILE)/$(1)/*.yaml)))
runs_of    = $(or $(if $(filter 04_%,$(1)),$(BACKBONE:%=$(1)/%)),$(variants_of),$(1))
records_of = $(foreach run,$(call runs_of,$(1)),$(RUNS)/$(run)/run.json)
STUDIES   := $(foreach name,$(filter-out 00_% $(WITHOUT:=_%),$(NOTEBOOKS)),$(call records_of,$(name)))
CLAIMS    := $(wildcard $(RUNS)/*/claims.json $(RUNS)/*/*/claims.json)
ALL_REQUESTS := $(foreach name,$(NOTEBOOKS),$(foreach run,$(call runs_of,$(name)),$(REQUESTS)/$(run).json))

.DEFAULT_GOAL := help
.PHONY: help setup doctor reproduce test plan why parameters lab weights bench lock publish fresh clean request $(NUMBERS)
.DELETE_ON_ERROR:
.SECONDARY:

help: ## list the targets and the words they take
	@echo "Faces in Stone: facial expression in sculpture and art, reproducible"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1@\2/p' Makefile | awk -F@ '{printf "%-18s %s\n", $$1, $$2}'
	@$(foreach name,$(NOTEBOOKS),printf '%-18s %s\n' '  make $(firstword $(subst _, ,$(name)))' 'bring notebook $(name) up to date, with what it needs';)
	@echo 'Words: PROFILE=smoke|demo|paper   COLLECTION=a folder or a name   SET="key=value ..."   NB=02   JOBS=processes'
	@echo '       SCHEDULER=address of a Dask scheduler   DEVICE=cpu|gpu   VENV=folder of the environment'

setup: $(READY) ## make the environment from the lock file (needs only python3) and fetch the default weights

$(READY): requirements-$(DEVICE).lock
	@command -v $(PYTHON3) >/dev/null || { echo "error: $(PYTHON3) is missing: install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON3) lib/compendium/environment.py $(VENV) $(DEVICE)
	@$(CLI) weights || echo "set-up goes on without these weights; later: make weights"
	@touch $@

doctor: ## examine this machine: each failing line ends with the command that mends it (JSON=1)
	@test -x $(VENV)/bin/python || $(MAKE) --no-print-directory setup
	@$(CLI) doctor $(if $(JSON),--json)

reproduce: $(STUDIES) $(RUNS)/00_start_here/run.json ## run every notebook of the profile that is not up to date, and name what came out
	@$(CLI) summary $(ASKED)

test: $(READY) ## run the tests
	@$(VENV)/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

plan: $(READY) ## say what `make reproduce` would run, and why
	@$(CLI) plan $(ASKED)

why: $(READY) ## say why a notebook would run: make why NB=02
	@$(CLI) why '$(NB)' $(ASKED)

parameters: $(READY) ## list a notebook's parameters with their meaning: make parameters NB=02
	@$(CLI) table '$(NB)' $(ASKED)

lab: $(READY) ## open the notebooks in JupyterLab
	@PYTHONPATH=$(CURDIR) $(VENV)/bin/jupyter lab --notebook-dir=. notebooks

weights: $(READY) ## fetch every registered network weight that is missing
	@$(CLI) weights

bench: $(READY) ## time against peers and floors in the same run
	@$(VENV)/bin/python -m pytest tests/benchmarks --override-ini 'python_files=bench_*.py' -s

lock: $(READY) ## resolve and hash-pin the lock files and environment.yml from pyproject.toml
	@for device in cpu gpu; do $(VENV)/bin/uv pip compile pyproject.toml --extra $$device --extra test --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet -o requirements-$$device.lock || exit 1; done
	@PYTHONPATH=. $(VENV)/bin/python -m lib.compendium.conda > environment.yml

publish: reproduce ## execute what is stale and make the committed reading copies
	@$(CLI) publish $(ASKED)

fresh: $(READY) ## list reading copies whose code changed since they were executed
	@$(CLI) fresh

clean: ## remove runs and caches (not the environment, not downloads)
	rm -rf runs .hypothesis .ruff_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# One check of all parameters up front; a request file changes only when what it asks for does.
request: $(READY)
	@$(CLI) request $(ASKED)

$(ALL_REQUESTS): request
	@:

$(RUNS)/%/run.json: $(REQUESTS)/%.json
	@$(CLI) run $* $(ASKED)

define notebook_target
$(firstword $(subst _, ,$(1))): $(call records_of,$(1))
	@$(CLI) summary $(ASKED)
endef
$(foreach name,$(NOTEBOOKS),$(eval $(call notebook_target,$(name))))

# Which notebook needs which. What else a run used (modules, tables, claims) it writes itself, into its deps.mk.
$(RUNS)/00_start_here/run.json: $(CLAIMS)
ifneq ($(filter reproduce publish,$(MAKECMDGOALS)),)
$(RUNS)/00_start_here/run.json: $(STUDIES) # the front page gathers the others' verdicts, so it is printed last
# Two notebooks at a time where processors do the work: one seldom keeps two busy. A graphics card takes one. `make -j1` says otherwise.
ifeq ($(DEVICE)$(filter -j%,$(MAKEFLAGS)),cpu)
MAKEFLAGS += -j2
endif
# One after the other, so that of two notebooks at a time one is of the main study, whose steps have to wait for each other.
EARLIER   :=
$(foreach name,$(filter $(BESIDE:=_%),$(NOTEBOOKS)),$(eval $(call records_of,$(name)): | $(EARLIER))$(eval EARLIER := $(call records_of,$(name))))
endif
$(RUNS)/02_face_detection/run.json: $(RUNS)/01_dataset_census/run.json
$(RUNS)/03_labeller_agreement/run.json: $(RUNS)/01_dataset_census/run.json $(RUNS)/02_face_detection/run.json
TRAINED   := $(sort $(call records_of,04_training) $(wildcard $(RUNS)/04_training/*/run.json))
$(TRAINED) $(RUNS)/05_metrics/run.json $(RUNS)/06_gradcam/run.json: $(RUNS)/03_labeller_agreement/run.json
$(RUNS)/05_metrics/run.json $(RUNS)/06_gradcam/run.json: $(TRAINED)
-include $(wildcard $(RUNS)/*/deps.mk $(RUNS)/*/*/deps.mk)
