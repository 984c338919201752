# This file builds, installs, runs and tests mod_gowsgi. `make` alone lists what it can do.
#
# What may be set on the command line:
#   PYTHON=/usr/bin/python3   the Python to build for: 3.9 or later, with a shared libpython. Several, separated by spaces: the first
#                             is that of Apache's own processes and of test, run and lint; daemon groups may have the others
#   APXS=…  GO=…  CC=…        other tools than those found
#   DESTDIR=…                 a folder that stands for / in install and uninstall
#   APP=…  HOST=…  PORT=…     what `make run` serves, and where
#   TESTFLAGS=…               more arguments for go test, such as -run=Smoke
#   SUITE=… PACKAGES=…        the Debian of test-debian, and more packages to install there, such as python3.15-dev
#   FUZZTIME=10s              how long each fuzz target runs
#   CONFORMANCEFLAGS=…        arguments for the conformance suite, such as '-only WSGIReload'
#   BENCHFLAGS=…              arguments for the benchmark, such as '-mode daemon -workloads hello -connections 16'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

PYTHON ?= /usr/bin/python3
GO ?= go
# The newest that can be built with the Go that go.mod names.
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.6.1
HOST ?= 127.0.0.1
PORT ?= 8000
FUZZTIME ?= 10s
TESTFLAGS ?=
SUITE ?= trixie
BENCHFLAGS ?=
CONFORMANCEFLAGS ?=

B := build
O := $(B)/obj

# A variable that costs a command is asked for once, when it is first used: `make deps` must work where there is
# neither Python nor apxs yet.
once = $(eval $(1) := $(2))$($(1))

APXS ?= $(call once,APXS,$(shell command -v apxs || command -v apxs2 || echo apxs))
ifeq ($(origin CC),default)
CC = $(call once,CC,$(shell $(APXS) -q CC 2>/dev/null || echo cc))
endif

# ---- What the chosen Pythons say about themselves ----
#
# Each is known by its version, which is a word without a meaning here: pyinfo-3.11 is what the one of 3.11 said, and
# build/obj/python3.11 has what belongs to it alone.
pyfield = $(patsubst $(2)=%,%,$(filter $(2)=%,$(1)))
pyanswer = $(shell $(1) -I -S pyembed/buildinfo.py 2>/dev/null)
pylearn = $(eval pyinfo-$(call pyfield,$(1),version) := $(1))$(call pyfield,$(1),version)
PY_VERSIONS = $(call once,PY_VERSIONS,$(foreach python,$(PYTHON),$(call pylearn,$(call pyanswer,$(python)))))
PY_VERSION = $(firstword $(PY_VERSIONS))
PY_LIBRARY = $(call pyfield,$(pyinfo-$(PY_VERSION)),library)
PYTHON_DIR = $(O)/python$(1)
PKGCONFIG_DIR = $(CURDIR)/$(PYTHON_DIR)/pkgconfig
LIBRARIES = $(PY_VERSIONS:%=$(B)/libgowsgi-%.so)

# ---- The environment of every go command ----
#
# $(1) is the version of the Python that it is for.
# The compatibility header goes to every cgo package because the one that needs it, go-python3, is not ours. go does
# not notice that headers outside of a package's own folder changed, nor that pkg-config names another Python; a
# checksum of all that among the flags makes it. go-python3 uses much that Python has deprecated since, and what cgo writes
# before Go 1.26 has variables that it does not use; lint compiles our own C without that leniency.
COMPAT_HEADER := $(wildcard pyembed/go_python3_compat.h)
SHARED_HEADERS := $(sort $(COMPAT_HEADER) $(wildcard c/gowsgi_*.h directives/*.h directives/*.def))
CGO_FLAGS = -g -O2 -Wno-deprecated-declarations -Wno-unused-variable $(COMPAT_HEADER:%=-include '$(CURDIR)/%') \
	-DGOWSGI_INPUTS=$(or $(INPUTS_SUM-$(1)),$(call once,INPUTS_SUM-$(1),$(firstword $(shell \
	{ echo '$(pyinfo-$(1))'; cat $(SHARED_HEADERS) /dev/null; } | cksum))))
CGO_LINK = -g -O2 $(patsubst %,-Wl$(comma)-rpath$(comma)%,$(call pyfield,$(pyinfo-$(1)),rpath))
comma := ,
GO_VARS = CGO_ENABLED=1 CGO_CFLAGS="$(CGO_FLAGS)" CGO_LDFLAGS="$(CGO_LINK)" \
	PKG_CONFIG_PATH="$(PKGCONFIG_DIR)$${PKG_CONFIG_PATH:+:$$PKG_CONFIG_PATH}"
GO_RUN = env $(call GO_VARS,$(PY_VERSION)) $(GO)
# Runs go, and says so without the environment; $(MAKE) -n and `make env` show that.
define go
@echo '$(GO) $(1)'
@$(GO_RUN) $(1)
endef

# ---- Help ----

.PHONY: help
help: ## list these targets
	@echo 'mod_gowsgi: Python WSGI applications in Apache httpd. Targets:'
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | sort | \
		while IFS='|' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done
	@echo 'Variables (see the top of the Makefile): PYTHON APXS GO CC DESTDIR APP HOST PORT TESTFLAGS SUITE FUZZTIME'

# ---- What must be installed ----

.PHONY: deps deps-bench
deps: ## install what is missing to build and test (packages of Debian 12 and 13)
	@GO="$(GO)" .ci/install-deps apache2-dev apache2 gcc libc6-dev make pkg-config python3 python3-dev \
		python3-django python3-flask python3-bottle curl openssl procps

deps-bench: ## install what `make bench` compares with
	@GO="$(GO)" .ci/install-deps wrk libapache2-mod-wsgi-py3 uwsgi-core uwsgi-plugin-python3 \
		libapache2-mod-proxy-uwsgi nginx-light gunicorn

# ---- Build ----

MODULE_SOURCES := $(filter-out c/gowsgid.c,$(wildcard c/*.c)) $(wildcard directives/expand.c)
MODULE_OBJECTS := $(MODULE_SOURCES:%.c=$(O)/%.o)
WARNINGS := -Wall -Wextra -Werror

.PHONY: build libraries
build: $(B)/mod_gowsgi.so libraries $(B)/gowsgid ## build all in build/, where it works in place

# Twice expanded, so that a make which does not come here asks no Python.
.SECONDEXPANSION:
libraries: check-tools $$(LIBRARIES) ## build only the library of each PYTHON, beside those that are there

$(B)/mod_gowsgi.so: $(MODULE_OBJECTS) $(O)/exports.map
	$(CC) -shared -o $@ $(MODULE_OBJECTS) -Wl,-z,relro -Wl,-z,now -Wl,--version-script=$(O)/exports.map -ldl -lpthread

$(B)/gowsgid: $(O)/c/gowsgid.o $(O)/c/gw_library.o
	$(CC) -o $@ $^ -Wl,-z,relro -Wl,-z,now -ldl

# httpd loads modules with RTLD_GLOBAL, so anything else that we export could clash with another module.
$(O)/exports.map: Makefile
	@mkdir -p $(O)
	@echo '{ global: gowsgi_module; wsgi_module; local: *; };' > $@

$(O)/%.o: %.c $(O)/cflags
	@mkdir -p $(@D)
	$(CC) @$(O)/cflags $(WARNINGS) -MMD -MP -c -o $@ $<

# The flags are a file that gcc reads, rewritten only when they change: objects then depend on their flags.
$(O)/cflags: FORCE | check-tools
	@mkdir -p $(O)
	@printf '%s\n' $(shell $(APXS) -q CFLAGS) -fPIC $(shell $(APXS) -q CPPFLAGS) $(shell $(APXS) -q EXTRA_CPPFLAGS) \
		-I$(shell $(APXS) -q INCLUDEDIR) $(shell $$($(APXS) -q APR_CONFIG) --cppflags --includes) \
		$(shell $$($(APXS) -q APU_CONFIG) --includes) '-DGOWSGI_PYTHON=\"$(PY_VERSION)\"' \
		'-DGOWSGI_LIBPYTHON=\"$(PY_LIBRARY)\"' \
		'-DGOWSGI_PYTHON_PROGRAM=\"$(firstword $(PYTHON))\"' > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# make decides whether to call go: go itself keeps nothing of a c-shared build's cgo packages, and takes its time. The
# header that it writes beside the library is of no use.
LIBRARY_INPUTS := go.mod go.sum $(SHARED_HEADERS) $(filter-out %_test.go,$(foreach dir,$(shell \
	find module pyembed daemon directives -type d),$(wildcard $(dir)/*.go $(dir)/*.[chsS] $(dir)/*.py $(dir)/*.def)))

$(B)/libgowsgi-%.so: $(LIBRARY_INPUTS) $(call PYTHON_DIR,%)/go-env
	@mkdir -p $(B)
	@echo '$(GO) build -o $@ ./module'
	@env $(call GO_VARS,$*) $(GO) build -buildvcs=false -trimpath -buildmode=c-shared -o $@ ./module
	@rm -f $(B)/libgowsgi-$*.h

# pkg-config's python3 and python3-embed, as our packages ask for them, are made to mean the chosen Python.
.PRECIOUS: $(call PYTHON_DIR,%)/go-env
$(call PYTHON_DIR,%)/go-env: FORCE | check-tools
	@mkdir -p $(@D)/pkgconfig
	@ln -sf $(call pyfield,$(pyinfo-$*),pc) $(@D)/pkgconfig/python3.pc
	@ln -sf $(call pyfield,$(pyinfo-$*),pc_embed) $(@D)/pkgconfig/python3-embed.pc
	@printf '%s\n' '$(call GO_VARS,$*)' "$$($(GO) version)" > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

.PHONY: check-tools
check-tools:
	@for python in $(PYTHON); do \
		command -v $$python >/dev/null || { echo "make: no Python at $$python; run make deps, or set PYTHON=" >&2; exit 1; }; \
		$$python -I -S pyembed/buildinfo.py >/dev/null || exit 1; done
	@twice="$$(printf '%s\n' $(PY_VERSIONS) | sort | uniq -d | head -n1)"; [ -z "$$twice" ] || \
		{ echo "make: PYTHON= names two Pythons that are $$twice; there can be one of each version" >&2; exit 1; }
	@[ -n "$(PY_VERSION)" ] || { echo "make: PYTHON= names no Python" >&2; exit 1; }
	@command -v $(APXS) >/dev/null || { echo "make: apxs not found; run make deps, or set APXS=" >&2; exit 1; }
	@command -v $(GO) >/dev/null || { echo "make: go not found; see https://go.dev/dl/, or set GO=" >&2; exit 1; }

.PHONY: FORCE
FORCE:

-include $(MODULE_OBJECTS:.o=.d) $(O)/c/gowsgid.d

.PHONY: env
env: export ENV_LINE = export $(call GO_VARS,$(PY_VERSION))
env: $$(call PYTHON_DIR,$$(PY_VERSION))/go-env ## print the environment for go by hand: eval "$(make -s env)"
	@printf '%s\n' "$$ENV_LINE"

# ---- Install ----
#
# apxs says where httpd keeps its modules; install(1) puts them there, since `apxs -i` knows neither DESTDIR nor a
# library that is not a module itself.
MODULES_DIR = $(call once,MODULES_DIR,$(shell $(APXS) -q LIBEXECDIR))
AVAILABLE_DIR = $(call once,AVAILABLE_DIR,$(shell $(APXS) -q sysconfdir)/mods-available)

.PHONY: install uninstall
install: build ## install into httpd's module folder (DESTDIR is honoured)
	install -d "$(DESTDIR)$(MODULES_DIR)"
	install -m 644 $(B)/mod_gowsgi.so $(LIBRARIES) "$(DESTDIR)$(MODULES_DIR)"
	install -m 755 $(B)/gowsgid "$(DESTDIR)$(MODULES_DIR)"
	@if [ -d "$(AVAILABLE_DIR)" ] || [ -d "$(DESTDIR)$(AVAILABLE_DIR)" ]; then \
		install -d "$(DESTDIR)$(AVAILABLE_DIR)" && \
		sed 's|/usr/lib/apache2/modules|$(MODULES_DIR)|' mod_gowsgi.load > "$(DESTDIR)$(AVAILABLE_DIR)/gowsgi.load" && \
		echo 'Installed. Enable it with: a2enmod gowsgi'; \
	else \
		echo 'Installed. Add to httpd.conf:'; echo '  LoadModule gowsgi_module $(MODULES_DIR)/mod_gowsgi.so'; \
	fi

uninstall: check-tools ## remove what install put there
	rm -f "$(DESTDIR)$(MODULES_DIR)/mod_gowsgi.so" "$(DESTDIR)$(MODULES_DIR)/"libgowsgi-*.so "$(DESTDIR)$(MODULES_DIR)/gowsgid"
	rm -f "$(DESTDIR)$(AVAILABLE_DIR)/gowsgi.load"
	@if [ -L "$(DESTDIR)$(dir $(AVAILABLE_DIR))mods-enabled/gowsgi.load" ]; then \
		rm -f "$(DESTDIR)$(dir $(AVAILABLE_DIR))mods-enabled/gowsgi.load"; \
	fi

# ---- Run, test, measure ----
#
# These install and build first. The build is a make of its own because what it asks Python and apxs may only be there
# once deps is through.

.PHONY: run test test-debian conformance lint bench fuzz clean
run: deps ## serve the example on http://127.0.0.1:8000/, or APP=/path/app.wsgi PORT=8001
	@$(MAKE) --no-print-directory build
	@APXS="$(APXS)" BUILD="$(CURDIR)/$(B)" APP="$(APP)" HOST="$(HOST)" PORT="$(PORT)" exec tests/run/serve

# Most tests wait for servers rather than compute: four of them at a time keep two cores busy.
test: deps ## run the unit and integration tests
	@$(MAKE) --no-print-directory build
	$(call go,test -count=1 -timeout 30m -parallel 4 $(TESTFLAGS) ./...)

# One word of the shell. A dollar sign is doubled for the make inside.
quote = '$(subst $$,$$$$,$(subst ','\'',$(1)))'
test-debian: ## run the tests in a Debian of its own: SUITE=trixie, forky or sid (as root)
	@exec env GO="$(GO)" PACKAGES="$(PACKAGES)" .ci/debian $(SUITE) make test $(foreach name,PYTHON TESTFLAGS,$(call quote,$(name)=$($(name))))

conformance: deps ## print what each directive promises, with PASS or FAIL
	@$(MAKE) --no-print-directory build
	@$(GO_RUN) run ./tests/conformance $(CONFORMANCEFLAGS)

lint: deps ## check formatting, go vet, staticcheck, C warnings, go.mod
	@$(MAKE) --no-print-directory $(O)/cflags $(call PYTHON_DIR,$(PY_VERSION))/go-env
	@unformatted=$$("$$($(GO) env GOROOT)/bin/gofmt" -l $(wildcard module pyembed daemon directives tests)); \
		if [ -n "$$unformatted" ]; then echo "not formatted by gofmt:" $$unformatted >&2; exit 1; fi
	$(call go,vet ./...)
	$(call go,run $(STATICCHECK) ./...)
	@set -e; for source in $(wildcard c/*.c directives/*.c); do \
		echo "$(CC) -fsyntax-only $(WARNINGS) $$source"; \
		$(CC) @$(O)/cflags -fsyntax-only $(WARNINGS) $$source; done
	@set -e; for source in $(wildcard pyembed/*.c module/*.c daemon/worker/*.c); do \
		echo "$(CC) -fsyntax-only $(WARNINGS) $$source"; \
		$(CC) -O2 -Ic -Idirectives -Idaemon/wire $$(PKG_CONFIG_PATH="$(call PKGCONFIG_DIR,$(PY_VERSION))" pkg-config --cflags python3-embed) \
			-fsyntax-only $(WARNINGS) $$source; done
	$(call go,mod tidy -diff)

bench: deps deps-bench ## measure against mod_wsgi and others; prints tables
	@$(MAKE) --no-print-directory build
	$(call go,run ./tests/bench $(BENCHFLAGS))

fuzz: deps ## run every fuzz target for FUZZTIME
	@$(MAKE) --no-print-directory build
	@set -e; for package in $$(grep -rl '^func Fuzz' --include='*_test.go' --exclude-dir=$(B) . | xargs -r -n1 dirname | sort -u); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$package/*_test.go); do \
			echo "$$package $$target"; \
			$(GO_RUN) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; done; done

clean: ## remove build/
	rm -rf $(B)
