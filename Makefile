# nginx-async: "make help" lists what can be asked for.
#
# The module is built against Debian's nginx (nginx-dev), or with
# NGINX_SRC=<source tree> against that nginx, which is then built as well.
# Everything is made in build/; build/nginx is always the nginx that
# build/ngx_http_async_module.so belongs to.

ifneq ($(words $(CURDIR)),1)
$(error nginx cannot be configured in a folder with a space in its path)
endif

CC      ?= gcc
CLANG   ?= clang
PREFIX  ?= /usr
DESTDIR ?=

build   := build
module  := $(build)/ngx_http_async_module.so
program := $(build)/nginx-async
nginx   := $(build)/nginx
probe   := $(build)/store-probe
manuals := $(build)/man/nginx-async.1 $(build)/man/ngx_http_async_module.7
version := $(shell sed -n 's/^\#define ASYNC_VERSION *"\(.*\)"/\1/p' \
             src/tool/async_main.c)
cron    := $(build)/cron-probe

core    := $(sort $(wildcard src/core/*.c))
store   := $(sort $(wildcard src/store/*.c))
worker  := $(sort $(wildcard src/worker/*.c))
tool    := $(sort $(wildcard src/tool/*.c))
shared  := $(core) $(store)
headers := $(sort $(wildcard src/core/*.h src/store/*.h src/module/*.h))
page    := $(sort $(wildcard src/dashboard/*))
tests   := $(sort $(wildcard t/unit/*/*_test.c))

warn    := -Wall -Wextra -Werror
cflags  := -std=c11 -D_GNU_SOURCE -O2 -g $(warn) $(CFLAGS)
asan    := -std=c11 -D_GNU_SOURCE -O1 -g $(warn) -fno-omit-frame-pointer \
           -fsanitize=address,undefined -fno-sanitize-recover=all
fuzzing := $(asan) -fsanitize=fuzzer
libs    := -llmdb -lcrypto -lcjson -lpthread -ldl

# what a folder may include is what it is given here (design, the layers)
incs_core   := -Isrc/core
incs_store  := $(incs_core) -Isrc/store
incs_worker := $(incs_store) -Isrc/worker
incs_tool   := $(incs_worker) -Isrc/tool
incs_unit   := $(incs_worker)

ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif


# a line for each thing made; V=1 shows the commands
made = $(if $(V),,@echo '  $(1)' $(patsubst $(CURDIR)/%,%,$@);)


.PHONY: all program demo test lint unit fuzz fault valgrind bench deb trial \
        install install-module install-program clean help FORCE
.DELETE_ON_ERROR:

all: $(module) program

program: $(program) $(manuals)

help:
	@echo 'make              build/ngx_http_async_module.so, build/nginx-async'
	@echo 'make demo         install what is missing, build, run a real job,'
	@echo '                  stay up until Ctrl-C; ONESHOT=1: end after it'
	@echo 'make test         install what is missing, build, run every test'
	@echo 'make unit         the unit tests, plain and with sanitizers'
	@echo 'make fuzz         each parser, FUZZ_TIME=600 seconds long'
	@echo 'make fault        what is broken on purpose; FAULT=long: longer'
	@echo 'make valgrind     the Test::Nginx suites under valgrind, half an hour'
	@echo 'make bench        the speed of it, beside others; QUICK=1: shorter'
	@echo 'make lint         the rules of the house'
	@echo 'make install      DESTDIR=, PREFIX=/usr'
	@echo 'make deb          the Debian packages, in build/'
	@echo 'make trial        installs them on a Debian 12 that it boots'
	@echo 'make clean        remove build/'
	@echo 'NGINX_SRC=tree    any of these, with the nginx of a source tree'
	@echo 'V=1               show the commands'


# the program

objects  = $(patsubst src/%.c,$(build)/obj/%.o,$(1))

$(program): $(call objects,$(shared) $(worker) $(tool))
	$(call made,link)$(CC) $(LDFLAGS) -o $@ $^ $(libs)

$(build)/obj/%.o: src/%.c $(build)/stamp/flags
	@mkdir -p $(@D)
	$(call made,cc)$(CC) $(cflags) $(incs_$(notdir $(<D))) -MMD -MP -c -o $@ $<


# the module: nginx's own build makes it, in a folder of that nginx

ifeq ($(NGINX_SRC),)
ngx_binary   := $(or $(shell command -v nginx),/usr/sbin/nginx)
ngx_source   := /usr/share/nginx/src
ngx_header   := $(ngx_source)/src/core/nginx.h
ngx_version  := debian
else
ngx_header   := $(NGINX_SRC)/src/core/nginx.h
ngx_version  := $(shell sed -n \
                  's/^\#define NGINX_VERSION *"\(.*\)"/\1/p' $(ngx_header))
ifeq ($(ngx_version),)
$(error NGINX_SRC: no nginx sources in $(NGINX_SRC))
endif
ngx_source   := $(CURDIR)/$(build)/ngx-$(ngx_version)/source
ngx_binary   := $(CURDIR)/$(build)/ngx-$(ngx_version)/nginx
endif

ngx_build    := $(CURDIR)/$(build)/ngx-$(ngx_version)
# without the variables of our command line: there, CFLAGS are nginx's own
ngx_make      = MAKEFLAGS="$(MFLAGS)" $(MAKE) --no-print-directory -s \
                  -f $(ngx_build)/Makefile -C $(ngx_source)

# a release has configure where a checkout has auto/configure
ngx_configure = $(if $(wildcard $(NGINX_SRC)/configure),./,auto/)configure
ngx_modules  := /usr/lib/nginx/modules

# what tests need of an nginx of ours, besides what modules must agree on
ngx_options  := --with-compat --with-threads --with-debug --with-pcre-jit \
                --with-http_ssl_module --with-http_v2_module \
                --with-http_auth_request_module --with-http_realip_module \
                --with-http_stub_status_module --with-http_sub_module \
                --with-http_addition_module

# the finished files change only when their content does; a running nginx
# keeps the file that it has mapped
replace = cmp -s $(1) $(2) \
          || { echo '  module $(2)'; cp --remove-destination $(1) $(2); }

$(module): $(ngx_build)/configured $(nginx) FORCE
	+@$(ngx_make) modules
	@$(call replace,$(ngx_build)/$(@F),$@)

$(ngx_build)/configured: config $(ngx_build).stamp $(ngx_header)

ifeq ($(NGINX_SRC),)

$(ngx_header):
	@t/lib/packages.sh --check build

# nothing is compiled before that was seen
$(build)/stamp/flags: | $(ngx_header)

$(ngx_build)/configured:
	@mkdir -p $(@D)
	$(call made,configure)cd $(ngx_source) && bash -c '. ./conf_flags && ./configure \
	    --with-cc-opt="-g -O2 -fPIC -fstack-protector-strong \
	                   -D_FORTIFY_SOURCE=2 $(CFLAGS)" \
	    --with-ld-opt="-Wl,-z,relro -Wl,-z,now -fPIC $(LDFLAGS)" \
	    "$${NGX_CONF_FLAGS[@]}" --builddir=$(ngx_build) \
	    --add-dynamic-module=$(CURDIR)' > $(ngx_build).log 2>&1 \
	    || { tail -n 5 $(ngx_build).log; exit 1; }
	@touch $@

$(nginx): FORCE
	@mkdir -p $(@D)
	@test "$$(readlink $@)" = $(ngx_binary) || ln -sfn $(ngx_binary) $@

else

# configure writes into the tree that it runs in: a copy
$(ngx_source)/src/core/nginx.h: $(ngx_header)
	@mkdir -p $(ngx_source)
	$(call made,copy)cp -a $(NGINX_SRC)/. $(ngx_source)
	@touch $@

$(ngx_build)/configured: $(ngx_source)/src/core/nginx.h
	@mkdir -p $(ngx_build)/prefix
	$(call made,configure)cd $(ngx_source) && $(ngx_configure) $(ngx_options) \
	    --with-cc-opt="-g -O2 $(CFLAGS)" --with-ld-opt="$(LDFLAGS)" \
	    --builddir=$(ngx_build) --add-dynamic-module=$(CURDIR) \
	    --prefix=$(ngx_build)/prefix --modules-path=$(ngx_modules) \
	    --error-log-path=stderr > $(ngx_build).log 2>&1 \
	    || { tail -n 5 $(ngx_build).log; exit 1; }
	@touch $@

$(nginx): $(ngx_build)/configured FORCE
	+@$(ngx_make) binary
	@test "$$(readlink $@)" = $(ngx_binary) || ln -sfn $(ngx_binary) $@

endif


# the manual pages: chapters of the README

$(manuals): $(build)/man/%: README.md src/manual/manual.pl \
            src/tool/async_main.c
	@mkdir -p $(@D)
	$(call made,manual)src/manual/manual.pl $* $(version) < $< > $@


# a stamp is new only when what it says has changed

stamp = mkdir -p $(@D); echo '$(1)' | cmp -s - $@ || echo '$(1)' > $@

$(build)/stamp/flags: FORCE
	@$(call stamp,$(CC) $(cflags) $(LDFLAGS))

$(ngx_build).stamp: FORCE
	@$(call stamp,$(CC) $(CFLAGS) $(LDFLAGS) $(ngx_source) \
	    $(shared) $(wildcard src/module/*.[cS]) $(headers) $(page))


# unit tests: one program for each file, plain and with sanitizers

unit_plain := $(patsubst t/unit/%.c,$(build)/unit/%,$(tests))
unit_asan  := $(patsubst t/unit/%.c,$(build)/unit-asan/%,$(tests))
unit_obj    = $(patsubst src/%.c,$(build)/unit-asan/obj/%.o,$(1))

unit: $(unit_plain) $(unit_asan)
	t/run unit

$(unit_plain): $(build)/unit/%: t/unit/%.c $(build)/unit/lib.a
	@mkdir -p $(@D)
	$(call made,cc)$(CC) $(cflags) $(incs_unit) -MMD -MP -MF $@.d -o $@ \
	    $(filter %.c %.a,$^) -lcmocka $(libs)

$(unit_asan): $(build)/unit-asan/%: t/unit/%.c $(build)/unit-asan/lib.a
	@mkdir -p $(@D)
	$(call made,cc)$(CC) $(asan) $(incs_unit) -MMD -MP -MF $@.d -o $@ \
	    $(filter %.c %.a,$^) -lcmocka $(libs)

$(build)/unit/lib.a: $(call objects,$(shared) $(worker))
$(build)/unit-asan/lib.a: $(call unit_obj,$(shared) $(worker))

%/lib.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(call made,ar)$(AR) rcs $@ $^

$(build)/unit-asan/obj/%.o: src/%.c $(build)/stamp/flags
	@mkdir -p $(@D)
	$(call made,cc)$(CC) $(asan) $(incs_$(notdir $(<D))) -MMD -MP -c -o $@ $<


# fuzz targets: one program for each file, of what needs no store

fuzz_targets := $(patsubst t/fuzz/%.c,$(build)/fuzz/%, \
                  $(sort $(wildcard t/fuzz/*.c)))
fuzz_obj      = $(patsubst src/%.c,$(build)/fuzz/obj/%.o,$(1))

$(fuzz_targets): $(build)/fuzz/%: t/fuzz/%.c $(build)/fuzz/lib.a
	$(call made,cc)$(CLANG) $(fuzzing) $(incs_core) -Isrc/worker -MMD -MP \
	    -MF $@.d -o $@ $(filter %.c %.a,$^) -lcjson

$(build)/fuzz/lib.a: $(call fuzz_obj,$(core) src/worker/async_frame.c)

$(build)/fuzz/obj/%.o: src/%.c $(build)/stamp/fuzz
	@mkdir -p $(@D)
	$(call made,cc)$(CLANG) $(fuzzing)-no-link $(incs_$(notdir $(<D))) \
	    -MMD -MP -c -o $@ $<

$(build)/stamp/fuzz: FORCE
	@$(call stamp,$(CLANG) $(fuzzing))


# what the fault tests preload, and the programs that use the store for them

fault_libs     := $(patsubst t/fault/lib/%.c,$(build)/fault/%.so, \
                    $(sort $(wildcard t/fault/lib/preload_*.c)))
fault_programs := $(patsubst t/fault/lib/%.c,$(build)/fault/%, \
                    $(filter-out $(wildcard t/fault/lib/preload_*.c), \
                      $(sort $(wildcard t/fault/lib/*.c))))

$(fault_libs): $(build)/fault/%.so: t/fault/lib/%.c $(build)/stamp/flags
	@mkdir -p $(@D)
	$(call made,cc)$(CC) $(cflags) -fPIC -shared -MMD -MP -MF $@.d -o $@ $<

$(fault_programs): $(build)/fault/%: t/fault/lib/%.c $(build)/unit/lib.a
	@mkdir -p $(@D)
	$(call made,cc)$(CC) $(cflags) $(incs_store) -MMD -MP -MF $@.d -o $@ \
	    $(filter %.c %.a,$^) $(libs)


# what tests ask of a store

$(probe): t/lib/store-probe.c $(build)/obj/tool/async_drop.o \
          $(build)/unit/lib.a
	$(call made,cc)$(CC) $(cflags) $(incs_tool) -MMD -MP \
	    -MF $(build)/obj/probe.d -o $@ $(filter %.c %.o %.a,$^) $(libs)


# what an expression of cron comes to

$(cron): t/lib/cron-probe.c $(build)/unit/lib.a
	$(call made,cc)$(CC) $(cflags) $(incs_core) -MMD -MP \
	    -MF $(build)/obj/cron.d -o $@ $(filter %.c %.a,$^)


# what the bench asks of a store and of the disk, and what it measures beside

bench_programs := $(build)/bench/fill $(build)/bench/streams $(build)/bench/sync
bench_counter  := $(build)/bench/count_syncs.so
peers_lock     := bench/peers/package.json bench/peers/package-lock.json
peers          := $(build)/peers/installed

$(bench_programs): $(build)/bench/%: bench/%.c \
          $(build)/obj/tool/async_drop.o $(build)/unit/lib.a
	@mkdir -p $(@D)
	$(call made,cc)$(CC) $(cflags) $(incs_tool) -MMD -MP -MF $@.d -o $@ \
	    $(filter %.c %.o %.a,$^) $(libs)

$(bench_counter): bench/count_syncs.c $(build)/stamp/flags
	@mkdir -p $(@D)
	$(call made,cc)$(CC) $(cflags) -fPIC -shared -o $@ $<


# what keeps modules loaded under valgrind

keep := $(build)/valgrind/keep.so

$(keep): t/lib/valgrind-keep.c $(build)/stamp/flags
	@mkdir -p $(@D)
	$(call made,cc)$(CC) $(cflags) -fPIC -shared -o $@ $<


# what tests run in Node.js, in the versions that the lock file names

node_lock := t/lib/node/package.json t/lib/node/package-lock.json
node      := $(build)/node/installed

$(node): $(node_lock)
$(peers): $(peers_lock)

$(node) $(peers):
	@mkdir -p $(@D)
	@cp -f $^ t/lib/node/.npmrc $(@D)
	$(call made,npm)cd $(@D) && npm ci > ../npm.log 2>&1 \
	    || { tail -n 15 ../npm.log; exit 1; }
	@touch $@


# what is run

# "make lint test" in a fresh clone: one after the other, since each installs
# and configures what it needs
ifneq ($(filter lint test,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

lint:
	@t/lib/packages.sh build test
	@$(MAKE) --no-print-directory $(ngx_build)/configured
	t/lib/lint.pl

demo:
	@t/lib/packages.sh build demo
	@echo 'Building what has changed.'
	@$(MAKE) --no-print-directory -s all
	@conf-examples/demo.sh

test:
	@t/lib/packages.sh build demo test
	@$(MAKE) --no-print-directory all
	$(if $(filter lint,$(MAKECMDGOALS)),,@$(MAKE) --no-print-directory lint)
	@$(MAKE) --no-print-directory $(unit_plain) $(unit_asan) \
	    $(fuzz_targets) $(fault_libs) $(fault_programs) $(probe) $(cron) $(node)
	@t/run

FUZZ_TIME ?= 600

fuzz:
	@t/lib/packages.sh build test
	@$(MAKE) --no-print-directory $(fuzz_targets)
	@FUZZ_TIME=$(FUZZ_TIME) t/run --verbose fuzz

fault:
	@t/lib/packages.sh build demo test
	@$(MAKE) --no-print-directory all $(fault_libs) $(fault_programs) \
	    $(probe)
	@t/run fault

valgrind:
	@t/lib/packages.sh build test valgrind
	@$(MAKE) --no-print-directory all $(keep) $(probe)
	@t/run valgrind

bench:
	@t/lib/packages.sh build bench
	@$(MAKE) --no-print-directory all $(bench_programs) $(bench_counter) \
	    $(probe) $(peers)
	@bench/run

modules_path = $(or $(shell $(nginx) -V 2>&1 \
                 | sed -n 's/.*--modules-path=\([^ ]*\).*/\1/p'), \
                 $(ngx_modules))

# where systemd looks is the same for every PREFIX
units      := /lib/systemd/system
tmpfiles   := /usr/lib/tmpfiles.d
docs       := $(PREFIX)/share/doc/nginx-async
completion := $(PREFIX)/share/bash-completion/completions
put        = install -D -m 644 $(strip $(1)) $(DESTDIR)$(strip $(2))

install: install-module install-program

install-module: $(module)
	$(call put,$(module),$(modules_path)/$(notdir $(module)))

install-program: program
	install -D -m 755 $(program) $(DESTDIR)$(PREFIX)/bin/nginx-async
	$(foreach page,$(manuals),$(call put,$(page),$(PREFIX)/share/man/man$(subst \
	    .,,$(suffix $(page)))/$(notdir $(page)));)
	$(call put,src/tool/nginx-async.bash,$(completion)/nginx-async)
	install -d $(DESTDIR)$(units)
	sed 's|/usr/bin/|$(PREFIX)/bin/|' src/systemd/nginx-async.service \
	    > $(DESTDIR)$(units)/nginx-async.service
	$(call put,src/systemd/nginx-async.tmpfiles,$(tmpfiles)/nginx-async.conf)
	install -D -m 644 -t $(DESTDIR)$(docs) README.md CHANGES
	install -D -m 644 -t $(DESTDIR)$(docs)/examples \
	    $(filter-out %.sh,$(wildcard conf-examples/*.*))


# Debian packages: a copy of the source with debian/ where Debian has it

packages   := $(build)
deb_source  = $(packages)/deb/nginx-async-$(version)
deb_files  := CHANGES LICENSE Makefile README.md config conf-examples src \
              t/lib/packages.sh

deb:
	@t/lib/packages.sh build deb
	@rm -rf $(packages)/deb $(packages)/*.deb
	@mkdir -p $(deb_source)
	@cp -a --parents $(deb_files) $(deb_source)
	@mv $(deb_source)/src/debian $(deb_source)
	@{ echo 'nginx-async ($(version)-1) bookworm; urgency=medium'; echo; \
	   echo '  * What is new is in changelog.gz.'; echo; \
	   sed -n "s/^Maintainer: \(.*\)/ -- \1  $$(date -R -r CHANGES)/p" \
	       src/debian/control; } > $(deb_source)/debian/changelog
	$(call made,deb)cd $(deb_source) \
	    && env -u MAKEFLAGS -u MAKELEVEL -u NGINX_SRC \
	       dpkg-buildpackage -b -us -uc -j$$(nproc) > ../deb.log 2>&1 \
	    || { tail -n 15 ../deb.log; exit 1; }
	@mv $(packages)/deb/*async_$(version)-1_*.deb $(packages)
	@ls $(packages)/*.deb

trial:
	@t/lib/packages.sh trial
	@t/trial/run.sh

clean:
	rm -rf $(build)


-include $(shell find $(build)/obj $(build)/unit $(build)/unit-asan \
           $(build)/fuzz $(build)/fault $(build)/bench \
           -name '*.d' 2>/dev/null)
