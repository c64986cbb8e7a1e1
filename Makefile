# SPDX-License-Identifier: GPL-2.0-only
#
# The whole build, in one file and without recursion into directories. Everything it makes lies under build/.
# Sources are found by wildcard per directory, so a new file needs no line here. `make help` lists the targets.
#
# Variables: V=1 shows commands; SAN=address,undefined builds the programs with sanitizers; WERROR=1 makes
# warnings errors (CI does); PREFIX, DESTDIR and SYSCONFDIR as usual; EXTRA_CFLAGS is added for C and BPF;
# SUITES="unit e2e" narrows `make test`.

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash

PREFIX ?= /usr/local
DESTDIR ?=
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
KEEP_CONFIG ?= 0
EXTRA_CFLAGS ?=
V ?= 0
SAN ?=
WERROR ?= 0
SUITES ?=
QUICK ?= 0
TIME ?= 600
FUZZ ?=
MUTANT ?=
CASES ?=
BREAKDOWN ?= 0
ROUNDS ?=
SCENARIOS ?=
PEERS ?=
TARGET ?=
APP ?=
B := build

CC := gcc
CLANG := clang
LLVM_STRIP := llvm-strip
AR := ar
PKG_CONFIG := pkg-config
# bpftool lies in /usr/sbin, which an ordinary user's PATH lacks.
BPFTOOL := $(firstword $(shell command -v bpftool) $(wildcard /usr/sbin/bpftool) bpftool)

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),@:,@printf '  %-7s %s\n' '$(1)' '$(2)')

# --- goals that compile nothing themselves: they must work on a machine without any library ---

PLAIN := help clean deps test test-kernels demo mutants soak bench bench-check bench-compare lint uninstall deb
COMPILES := $(filter-out $(PLAIN),$(or $(MAKECMDGOALS),all))

# --- sources ---

BPF_SRC := $(wildcard bpf/sluice.bpf.c)
LIB_SRC := $(wildcard userspace/lib/*.c)
SLUICED_SRC := $(wildcard userspace/sluiced/*.c)
SLUICECTL_SRC := $(wildcard tools/sluicectl/*.c)
# sluicectl's reader of a haproxy.cfg: pure, so unit tests and a fuzz target link it too
HAPROXY_SRC := $(wildcard tools/sluicectl/haproxy/*.c)
# what the lab's programs and the benchmark's have in common as programs
PROGRAM_SRC := $(wildcard tools/lab/program/*.c)
APP_SRC := $(wildcard tools/lab/app/*.c) $(PROGRAM_SRC)
LOAD_SRC := $(wildcard tools/lab/load/*.c) $(PROGRAM_SRC)
FLOOD_SRC := $(filter-out %.bpf.c,$(wildcard tools/lab/flood/*.c))
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_SHARED_SRC := $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c))
# of test_faults and test_faults_running alone: their malloc() stands before everybody's, the second's clock and bpf(2) too
FAULTS_RUNNING_SRC := $(patsubst %,tests/unit/faults/%.c,running rig registries kernel fast)
FAULTS_SRC := $(filter-out $(FAULTS_RUNNING_SRC),$(wildcard tests/unit/faults/*.c))
PACKETS_SRC := $(filter-out %.bpf.c,$(wildcard tests/bpf/*.c))
CANARY_SRC := $(wildcard tests/canary/*.c)
BENCH_PROG_SRC := $(filter-out %.bpf.c,$(wildcard tools/bench/prog/*.c))
# what measures the daemon: a program a file of its own, the others are theirs to share
BENCH_CONTROL_PROGRAMS := react many
BENCH_CONTROL_SRC := $(wildcard tools/bench/control/*.c)
# a fuzz target or a maker of seeds is one file; the others there are theirs to share
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
SEED_SRC := $(wildcard tests/fuzz/seed_*.c)
FUZZ_SHARED_SRC := $(filter-out $(FUZZ_SRC) $(SEED_SRC),$(wildcard tests/fuzz/*.c)) \
	$(filter-out tests/bpf/packets.c,$(PACKETS_SRC)) $(UNIT_SHARED_SRC)
MAN_PAGES := $(wildcard deploy/man/*.[1-8])

objects = $(patsubst %.c,$(B)/obj/%.o,$(1))
fuzz_objects = $(patsubst %.c,$(B)/fuzz/obj/%.o,$(1))
san_objects = $(patsubst %.c,$(B)/san/%.o,$(1))

SKEL := $(if $(BPF_SRC),$(B)/include/sluice.skel.h)
LIB := $(B)/lib/libsluice.a
PROGRAMS := $(if $(wildcard userspace/sluiced/main.c),$(B)/bin/sluiced) $(if $(SLUICECTL_SRC),$(B)/bin/sluicectl)
LAB_TOOLS := $(if $(APP_SRC),$(B)/lab/app) $(if $(LOAD_SRC),$(B)/lab/load) \
	$(if $(FLOOD_SRC),$(B)/lab/flood)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(UNIT_SRC))
PACKETS := $(if $(PACKETS_SRC),$(B)/tests/bpf/packets)
SOAK_TOOL := $(B)/tests/soak/publisher
KERNELS_CLIENT := $(B)/tests/kernels/local
CANARY := $(if $(CANARY_SRC),$(B)/tests/canary/canary)
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ_SRC) $(SEED_SRC))
BENCH_PROG := $(B)/bench/prog/prog
BENCH_TOOLS := $(B)/bench/publish $(B)/bench/openloop
BENCH_CONTROL := $(patsubst %,$(B)/bench/control/%,$(BENCH_CONTROL_PROGRAMS))

# --- flags ---

WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wundef -Wvla -Wformat=2 -Wcast-qual \
	$(if $(filter 1,$(WERROR)),-Werror)
# The skeleton is bpftool's code: no warnings of ours for it.
INCLUDES := -Iinclude -Iuserspace/lib -isystem $(B)/include
# Empty, so that a file's own "#define _GNU_SOURCE" is no redefinition.
BASE_CFLAGS := -std=gnu11 -g -D_GNU_SOURCE= $(WARN) $(INCLUDES) -MD -MP
UNIT_SAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

ifneq ($(COMPILES),)
# name of the pkg-config module : Debian package
LIBRARIES := libbpf:libbpf-dev libelf:libelf-dev libcurl:libcurl4-openssl-dev libcjson:libcjson-dev \
	libevent_core:libevent-dev libevent_extra:libevent-dev inih:libinih-dev libsystemd:libsystemd-dev \
	libseccomp:libseccomp-dev cmocka:libcmocka-dev
TOOLS := $(CC):gcc $(CLANG):clang $(LLVM_STRIP):llvm $(AR):binutils $(PKG_CONFIG):pkg-config $(BPFTOOL):bpftool

MISSING := $(sort $(shell \
	for t in $(TOOLS); do command -v "$${t%%:*}" >/dev/null || echo "$${t\#\#*:}"; done; \
	command -v $(PKG_CONFIG) >/dev/null && for l in $(LIBRARIES); do \
		$(PKG_CONFIG) --exists "$${l%%:*}" || echo "$${l\#\#*:}"; done))
ifneq ($(MISSING),)
$(error Debian packages are missing: $(MISSING). Install them, or all that the project needs with `tools/deps`)
endif

MODULES := libbpf libelf libcurl libcjson libevent_core libevent_extra inih libsystemd libseccomp
LIB_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(MODULES))
LIBS := $(shell $(PKG_CONFIG) --libs $(MODULES)) -lz
CMOCKA_LIBS := $(shell $(PKG_CONFIG) --libs cmocka)
MULTIARCH := $(shell $(CC) -print-multiarch)
endif

ARCH := $(shell uname -m | sed -e 's/x86_64/x86/' -e 's/aarch64/arm64/' -e 's/ppc64le/powerpc/' -e 's/s390x/s390/')
# Only the product's own code guides libFuzzer: what a harness does is not what is looked for. gcc judges warnings.
FUZZ_CFLAGS = $(BASE_CFLAGS) -w -O1 $(UNIT_SAN) $(LIB_CFLAGS)
FUZZ_GUIDED := -fsanitize=fuzzer-no-link

BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -std=gnu11 -D__TARGET_ARCH_$(ARCH) -Wall -Wextra -Wno-unused-parameter \
	-Wshadow -Wundef \
	$(if $(filter 1,$(WERROR)),-Werror) -Iinclude -Ibpf -I/usr/include/$(MULTIARCH) -MMD -MP $(EXTRA_CFLAGS)

HARDEN := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer,-D_FORTIFY_SOURCE=2 \
	-fstack-protector-strong)
CFLAGS := $(BASE_CFLAGS) -O2 $(HARDEN) $(LIB_CFLAGS) $(EXTRA_CFLAGS)
LDFLAGS := $(if $(SAN),-fsanitize=$(SAN)) -Wl,-z,relro,-z,now
SAN_CFLAGS := $(BASE_CFLAGS) -O1 $(UNIT_SAN) $(LIB_CFLAGS)

# --- goals ---

.PHONY: all tests test test-kernels fuzz mutants demo soak bench bench-check bench-compare bench-tools bench-prog bench-control lint deps \
	install uninstall deb programs clean help

all: $(PROGRAMS) $(LAB_TOOLS) ## the two programs, the BPF object and the lab's tools

tests: all $(BENCH_TOOLS) $(UNIT_TESTS) $(PACKETS) $(SOAK_TOOL) $(KERNELS_CLIENT) $(CANARY) $(FUZZ_TARGETS) ## compile the tests without running them

test: ## all that CI runs; as root; installs what it needs first. SUITES="unit e2e" narrows it
	$(Q)tools/deps
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) tests
	$(Q)SUITES="$(SUITES)" tests/run

test-kernels: ## load, attach and packet cases on older kernels, emulated, and this one; as root. KERNELS="5.10 host" narrows
	$(Q)tools/deps --kernels
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) all $(PACKETS) $(KERNELS_CLIENT)
	$(Q)tests/kernels/run

demo: ## two slaves, an app, scaling, kills and a summary; as root; installs what it needs first. APP=rails: with Rails
	$(Q)tools/deps
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) all
	$(Q)tools/demo/demo $(APP)

fuzz: $(FUZZ_TARGETS) ## fuzz the BPF programs and the parsers, as root; TIME=600 seconds in all, FUZZ=packets narrows it
	$(Q)TIME="$(TIME)" FUZZ="$(FUZZ)" tests/fuzz/run

mutants: ## seed defects into a copy, as root: the fast suites must notice each one; MUTANT=bpf-tc narrows it
	$(Q)nice tests/mutants/run $(MUTANT)

bench: ## Sluice beside HAProxy and others, as root; 25 minutes, QUICK=1 for 3. ROUNDS=, SCENARIOS=, PEERS= narrow; TARGET=host
	$(Q)tools/deps
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) bench-tools
	$(Q)tools/bench/bench run $(if $(filter 1,$(QUICK)),--quick) --rounds "$(ROUNDS)" --scenarios "$(SCENARIOS)" \
		--peers "$(PEERS)" --target "$(TARGET)" --out $(B)/bench

bench-check: ## the quick set, as root: fails if a ratio falls below its floor in tools/bench/floors.json
	$(Q)tools/deps
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) bench-tools
	$(Q)tools/bench/bench check --out $(B)/bench/check

bench-compare: ## do two runs contradict each other? A=FILE B=FILE, report.json of each; fails if they do
	$(Q)tools/bench/bench compare "$(A)" "$(B)"

bench-tools: all $(BENCH_TOOLS)

bench-prog: $(BENCH_PROG) ## nanoseconds a packet of each program and path, and a local connect, as root; QUICK=1, CASES=xdp4, BREAKDOWN=1: each step
	$(Q)$(BENCH_PROG) $(if $(filter 1,$(QUICK)),--quick) $(if $(CASES),--only "$(CASES)") \
		$(if $(filter 1,$(BREAKDOWN)),--breakdown) --json $(B)/bench/prog.json

bench-control: $(BENCH_CONTROL) all ## how soon the daemon acts and what it costs, in a lab, as root; QUICK=1 for a tenth of it
	$(Q)QUICK=$(QUICK) tools/bench/control/run

soak: ## ten minutes of flapping backends and replaced programs under 10,000 connections (TIME=600), registries that fail and a daemon held up as long as stated
	$(Q)tools/deps
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) tests
	$(Q)SOAK="$(or $(TIME),600)" LONG=1 LIMIT="$$(($(or $(TIME),600) + 5400))" LANES=1 UNSTEADY=0 E2E='@(soak|registries|held_up)' \
		tests/run e2e

lint: ## style, shell, Python and stale-success checks
	$(Q)tools/lint/run

deps: ## install the Debian packages and Consul (as root)
	$(Q)tools/deps

programs: $(PROGRAMS)

# What install puts there and uninstall takes away: mode:file:place. A unit names the programs where they will be.
SBIN := $(PREFIX)/sbin
SHARE := $(PREFIX)/share
UNITS := $(wildcard deploy/systemd/*.service)
DEFAULT_CONFIG := $(B)/install/sluice.conf
INSTALLED := \
	0755:$(B)/bin/sluicectl:$(SBIN)/sluicectl \
	0755:$(B)/bin/sluiced:$(SBIN)/sluiced \
	$(foreach page,$(MAN_PAGES),0644:$(page):$(SHARE)/man/man$(subst .,,$(suffix $(page)))/$(notdir $(page))) \
	$(foreach unit,$(UNITS),0644:$(B)/install/$(notdir $(unit)):$(UNITDIR)/$(notdir $(unit))) \
	0644:deploy/systemd/sysusers.conf:$(PREFIX)/lib/sysusers.d/sluice.conf \
	0644:deploy/systemd/tmpfiles.conf:$(PREFIX)/lib/tmpfiles.d/sluice.conf \
	0644:deploy/completion/sluicectl.bash:$(SHARE)/bash-completion/completions/sluicectl \
	0644:deploy/completion/sluiced.bash:$(SHARE)/bash-completion/completions/sluiced \
	0644:deploy/sluice.conf:$(SHARE)/doc/sluice/examples/sluice.conf \
	0644:deploy/systemd/before-5.19.conf:$(SHARE)/doc/sluice/examples/before-5.19.conf \
	0644:README.md:$(SHARE)/doc/sluice/README.md \
	0644:deploy/OPERATING.md:$(SHARE)/doc/sluice/OPERATING.md \
	0644:deploy/MIGRATING.md:$(SHARE)/doc/sluice/MIGRATING.md \
	0644:deploy/prometheus/sluice.rules.yml:$(SHARE)/doc/sluice/examples/sluice.rules.yml \
	0644:deploy/grafana/sluice.json:$(SHARE)/doc/sluice/examples/grafana.json \
	0644:LICENSE:$(SHARE)/doc/sluice/LICENSE
CONFIG_PLACE := $(SYSCONFDIR)/sluice/sluice.conf
INSTALL_NOTE := $(SHARE)/doc/sluice/folders-made

# The example with nothing switched on: programs of a host that nobody has configured balance nothing.
$(DEFAULT_CONFIG): deploy/sluice.conf
	@mkdir -p $(@D)
	$(Q)sed -E 's/^(\[service web\]|port = |marathon_app = |url = )/#\1/' $< >$@

install: programs $(DEFAULT_CONFIG) ## programs, units, configuration, manual pages, completion, licence, below $(DESTDIR)$(PREFIX)
	$(Q)mkdir -p $(B)/install
	$(Q)for unit in $(UNITS); do sed 's#=/usr/sbin/#=$(SBIN)/#' $$unit >$(B)/install/$${unit##*/} || exit 1; done
	$(Q)deploy/place put '$(DESTDIR)' $(INSTALL_NOTE) $(INSTALLED) \
		$$([[ -e '$(DESTDIR)$(CONFIG_PLACE)' ]] || echo 0644:$(DEFAULT_CONFIG):$(CONFIG_PLACE))
	$(Q)[[ -n '$(DESTDIR)' ]] || deploy/host prepare $(PREFIX)

uninstall: ## all of that goes again, what is attached and the user too; KEEP_CONFIG=1 keeps the configuration
	$(Q)[[ -n '$(DESTDIR)' ]] || deploy/host retire $(PREFIX)
	$(Q)deploy/place take '$(DESTDIR)' $(INSTALL_NOTE) $(INSTALLED) \
		$(if $(filter 1,$(KEEP_CONFIG)),,0644::$(CONFIG_PLACE))

deb: ## the Debian package, by Debian's own tools, in build/deb
	$(Q)deploy/debian/build

clean: ## remove build/
	rm -rf $(B)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo 'Variables: V=1  SAN=address,undefined  WERROR=1  PREFIX=/usr/local  DESTDIR=  EXTRA_CFLAGS=  SUITES="unit e2e"'

# --- a change of flags rebuilds everything ---

ifneq ($(COMPILES),)
FLAGS := $(B)/.flags
NEW_FLAGS := $(CC) $(CFLAGS) $(LDFLAGS) $(BPF_CFLAGS)
OLD_FLAGS := $(shell cat $(FLAGS) 2>/dev/null)
ifneq ($(strip $(OLD_FLAGS)),$(strip $(NEW_FLAGS)))
$(shell mkdir -p $(B) && printf '%s\n' '$(NEW_FLAGS)' >$(FLAGS))
endif
endif

# --- BPF ---

# debug symbols of the BPF object go, its BTF stays: libbpf needs that one
$(B)/bpf/%.bpf.o: bpf/%.bpf.c $(FLAGS)
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

$(B)/include/sluice.skel.h: $(B)/bpf/sluice.bpf.o
	$(call say,SKEL,$@)
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name sluice_bpf >$@

# --- C ---

$(B)/obj/userspace/sluiced/%.o $(B)/san/userspace/sluiced/%.o $(B)/san/tests/unit/%.o: INCLUDES_OWN := -Iuserspace/sluiced
$(B)/san/tests/unit/%.o: INCLUDES_OWN += -Itests/unit -Itools/sluicectl -Itools/sluicectl/haproxy \
	-Itools/bench/openloop
$(B)/obj/tools/sluicectl/%.o: INCLUDES_OWN := -Itools/sluicectl -Itools/sluicectl/haproxy
$(B)/obj/tests/bpf/%.o: INCLUDES_OWN := -Itests/bpf

$(B)/obj/%.o: %.c $(FLAGS) | $(SKEL)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(INCLUDES_OWN) -c $< -o $@

$(B)/san/%.o: %.c $(FLAGS) | $(SKEL)
	$(call say,CC san,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(SAN_CFLAGS) $(INCLUDES_OWN) -c $< -o $@

# built anew each time, so that a member whose source is gone does not linger
$(LIB): $(call objects,$(LIB_SRC))
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

define link
$(call say,LD,$@)
@mkdir -p $(@D)
$(Q)$(CC) $(LDFLAGS) $(1) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(2)
endef

$(B)/bin/sluiced: $(call objects,$(SLUICED_SRC)) $(LIB)
	$(call link,,$(LIBS))

$(B)/bin/sluicectl: $(call objects,$(SLUICECTL_SRC) $(HAPROXY_SRC)) $(LIB)
	$(call link,,$(LIBS))

# static: it is the only file in the lab's image. Its own rules, for it shares nothing with the product.
$(B)/lab/app: $(APP_SRC) $(wildcard tools/lab/app/*.h tools/lab/program/*.h)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -g -D_GNU_SOURCE= $(WARN) -Itools/lab/program -static -o $@ $(APP_SRC) -pthread

$(B)/lab/load: $(LOAD_SRC) $(wildcard tools/lab/load/*.h tools/lab/program/*.h)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -g -D_GNU_SOURCE= $(WARN) -Itools/lab/program -o $@ $(LOAD_SRC) -pthread

# the flood's packets are made by a BPF program of its own
$(B)/lab/flood.bpf.o: tools/lab/flood/flood.bpf.c $(FLAGS)
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

$(B)/lab/include/flood.skel.h: $(B)/lab/flood.bpf.o
	$(call say,SKEL,$@)
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name flood_bpf >$@

$(B)/obj/tools/lab/flood/%.o: INCLUDES_OWN := -Itools/lab/flood -Itools/lab/program -isystem $(B)/lab/include
$(call objects,$(FLOOD_SRC)): $(B)/lab/include/flood.skel.h

$(B)/lab/flood: $(call objects,$(FLOOD_SRC) $(PROGRAM_SRC))
	$(call link,,$(LIBS))

# --- what the programs cost ---

# the shipped programs are compiled into measuring ones
$(B)/bench/prog/prog.bpf.o: tools/bench/prog/prog.bpf.c $(FLAGS)
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

$(B)/bench/prog/bench_prog.skel.h: $(B)/bench/prog/prog.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name bench_prog >$@

$(B)/obj/tools/bench/prog/%.o: INCLUDES_OWN := -Itools/bench/prog -isystem $(B)/bench/prog
$(call objects,tools/bench/prog/world.c tools/bench/prog/client.c): $(B)/bench/prog/bench_prog.skel.h

$(BENCH_PROG): $(call objects,$(BENCH_PROG_SRC)) $(LIB)
	$(call link,,$(LIBS))

# --- the benchmark's own tools ---

$(B)/bench/publish: $(call objects,$(wildcard tools/bench/publish/*.c)) $(LIB)
	$(call link,,$(LIBS))

$(B)/obj/tools/bench/openloop/%.o: INCLUDES_OWN := -Itools/bench/openloop -Itools/lab/load -Itools/lab/program
$(B)/bench/openloop: $(call objects,$(wildcard tools/bench/openloop/*.c) tools/lab/load/reply.c $(PROGRAM_SRC))
	$(call link,,-lm)

$(B)/obj/tools/bench/control/%.o: INCLUDES_OWN := -Itools/bench/control

$(B)/bench/control/%: $(B)/obj/tools/bench/control/%.o $(call objects,$(filter-out \
		$(patsubst %,tools/bench/control/%.c,$(BENCH_CONTROL_PROGRAMS)),$(BENCH_CONTROL_SRC))) $(LIB)
	$(call link,,$(LIBS) -pthread -lm)

# --- tests ---

UNIT_OBJ := $(call san_objects,$(LIB_SRC) $(filter-out %/main.c,$(SLUICED_SRC)) $(HAPROXY_SRC) $(UNIT_SHARED_SRC) \
	tools/bench/openloop/histogram.c tools/bench/openloop/schedule.c)
$(B)/tests/libunit.a: $(UNIT_OBJ)
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/tests/unit/%: $(B)/san/tests/unit/%.o $(B)/tests/libunit.a
	$(call link,$(UNIT_SAN),$(CMOCKA_LIBS) $(LIBS) -lm)

$(B)/tests/unit/test_faults: $(call san_objects,$(FAULTS_SRC))
$(B)/tests/unit/test_faults_running: $(call san_objects,$(FAULTS_RUNNING_SRC) tests/unit/faults/alloc.c)

$(B)/tests/bpf/packets: $(call objects,$(PACKETS_SRC)) $(LIB)
	$(call link,,$(LIBS))

# --- fuzzing, by clang's libFuzzer ---

$(B)/fuzz/obj/userspace/%.o $(B)/fuzz/obj/tools/sluicectl/%.o: FUZZ_GUIDE := $(FUZZ_GUIDED)
$(B)/fuzz/obj/userspace/sluiced/%.o: INCLUDES_OWN := -Iuserspace/sluiced
$(B)/fuzz/obj/tests/%.o: INCLUDES_OWN := -Iuserspace/sluiced -Itools/sluicectl/haproxy -Itests/bpf \
	-Itests/fuzz -Itests/unit

$(B)/fuzz/obj/%.o: %.c $(FLAGS) | $(SKEL)
	$(call say,CC fuzz,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) $(FUZZ_GUIDE) $(INCLUDES_OWN) -c $< -o $@

$(B)/fuzz/libfuzz.a: $(call fuzz_objects,$(LIB_SRC) $(filter-out %/main.c,$(SLUICED_SRC)) $(HAPROXY_SRC) $(FUZZ_SHARED_SRC))
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

define link_fuzz
$(call say,LD,$@)
@mkdir -p $(@D)
$(Q)$(CLANG) $(UNIT_SAN) $(1) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(CMOCKA_LIBS) $(LIBS)
endef

$(B)/fuzz/fuzz_%: $(B)/fuzz/obj/tests/fuzz/fuzz_%.o $(B)/fuzz/libfuzz.a
	$(call link_fuzz,-fsanitize=fuzzer)

$(B)/fuzz/seed_%: $(B)/fuzz/obj/tests/fuzz/seed_%.o $(B)/fuzz/libfuzz.a
	$(call link_fuzz,-fsanitize=fuzzer-no-link)

$(SOAK_TOOL): $(call objects,$(wildcard tests/soak/*.c)) $(LIB)
	$(call link,,$(LIBS))

$(KERNELS_CLIENT): $(call objects,tests/kernels/local.c)
	$(call link,,)

$(B)/tests/canary/canary: $(call san_objects,$(CANARY_SRC))
	$(call link,$(UNIT_SAN),$(CMOCKA_LIBS))

ifneq ($(COMPILES),)
-include $(shell find $(B)/bpf $(B)/bench $(B)/lab $(B)/fuzz/obj $(B)/obj $(B)/san -name '*.d' 2>/dev/null)
endif
