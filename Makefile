# SPDX-License-Identifier: Apache-2.0
#
# Everything is built from here, into $(O); `make help` lists the targets.
#
# A file added under libtrace/, formats/ or tests/ is found by itself. A tool is tools/trace-x.c, with parts of its own in
# tools/trace-x-*.c or tools/x/*.c (tests can link those); any other tools/*.c is shared by all tools. Its page is
# docs/man/trace-x.1.scd, and libraries that it alone needs stand in LIBS_trace-x.

VERSION = 0.1.0

O       = build
PREFIX  = /usr/local
DESTDIR =
CFLAGS  = -O2 -g
SAN     =
WERROR  = -Werror
FUZZ_SECONDS = 60

STD  = -std=c11 -D_POSIX_C_SOURCE=200809L -ffp-contract=off -I. -DREPRISE_VERSION='"$(VERSION)"'
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wwrite-strings -Wformat=2 $(WERROR)
SANFLAGS = $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
COMPILE  = $(CC) $(STD) $(WARN) $(CPPFLAGS) $(CFLAGS) $(SANFLAGS)
LINK     = $(CC) $(CFLAGS) $(SANFLAGS) $(LDFLAGS)
LIBTRACE_LIBS = -lzstd -lz -lcrypto -lpthread -lm
TOKENIZER_LIBS = -lpcre2-8 -lutf8proc
LDLIBS   = -lcsv -lcjson $(TOKENIZER_LIBS) $(LIBTRACE_LIBS)
LIBS_trace-replay = -lcurl
LIBS_trace-mock   = -levent_core
GEN_trace-convert = $(O)/obj/gen/datasets_table.o

# `make V=1` shows the commands.
Q   = $(if $(V),,@)
say = @$(if $(V),:,printf '  %-5s %s\n' $(1) $(2))

objs     = $(patsubst %.c,$(O)/obj/%.o,$(sort $(1)))
TOOLS   := $(sort $(foreach f,$(patsubst tools/%.c,%,$(wildcard tools/trace-*.c)),$(if $(word 3,$(subst -, ,$f)),,$f)))
ARCHIVES = $(O)/libtools.a $(O)/libformats.a $(O)/libtokenizer.a $(O)/libtrace.a
PARTS   := $(sort $(wildcard tools/*/*.c))
TEST_LIBS = $(O)/libparts.a $(ARCHIVES)
TEST_LDLIBS = $(foreach t,$(TOOLS),$(LIBS_$t)) $(LDLIBS)
UNIT    := $(patsubst %.c,$(O)/%,$(sort $(wildcard tests/unit/test_*.c)))
HELPERS := $(patsubst %.c,$(O)/%,$(sort $(wildcard tests/tokenizer/*.c)))
FUZZ    := $(patsubst %.c,$(O)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
PAGES   := $(patsubst docs/man/%.scd,$(O)/man/%,$(sort $(wildcard docs/man/*.scd)))
SCDOC   := $(shell command -v scdoc)
C_FILES := $(sort $(wildcard libtrace/*.[ch] libtrace/*/*.[ch] formats/*.[ch] tools/*.[ch] tools/*/*.[ch] docs/gen/*.c \
             tests/*/*.[ch]))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.SECONDEXPANSION:
.PHONY: FORCE all demo test test-full tests ready deps deps-full check-asan check-ubsan check-tsan lint tidy fuzz fuzzers \
        check-portable bench install uninstall clean help

all: $(TOOLS:%=$(O)/bin/%) $(O)/libtrace.a $(if $(SCDOC),pages) ## build the tools, and the man pages where scdoc is installed

demo: ready ## install what is missing, build, show a first round of the tools
	$(Q)scripts/demo.sh $(O)

test: ready ## install what is missing, build, run every test
	$(Q)$(MAKE) --no-print-directory tests
	-$(Q)scripts/vocabularies.sh $(O)/vocabularies
	$(Q)tests/run.sh $(O)

test-full: deps-full ## the tests in their long form, lint, clang, sanitizers, other machines, fuzzing
	$(Q)REPRISE_FULL=1 $(MAKE) --no-print-directory test
	$(Q)REPRISE_FULL=1 $(MAKE) --no-print-directory lint
	$(Q)$(MAKE) --no-print-directory CC=clang O=$(O)/clang all tests
	$(Q)for t in check-asan check-ubsan check-tsan check-portable fuzz; do $(MAKE) --no-print-directory $$t || exit; done

deps: ## install what building and testing need (apt)
	$(Q)scripts/deps.sh
deps-full:
	$(Q)scripts/deps.sh full
# A make of its own, since on a fresh machine the tools that this file asks for have only just been installed.
ready: deps
	$(Q)$(MAKE) --no-print-directory all

# --- compiling ---------------------------------------------------------------------------------------------------

%/:
	@mkdir -p $@
# Objects depend on the command that makes them, so those of different flags never mix.
$(O)/flags: FORCE | $(O)/
	@printf '%s\n' '$(subst ','\'',$(COMPILE))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(COMPILE))' > $@
$(O)/obj/%.o: %.c $(O)/flags | $$(@D)/
	$(call say,CC,$<)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

$(O)/libtrace.a: $(call objs,$(wildcard libtrace/*.c))
$(O)/libtokenizer.a: $(call objs,$(wildcard libtrace/tokenizer/*.c))
$(O)/libformats.a: $(call objs,$(wildcard formats/*.c))
$(O)/libtools.a: $(call objs,$(filter-out tools/trace-%,$(wildcard tools/*.c))) $(O)/obj/gen/words_table.o
$(O)/libparts.a: $(call objs,$(PARTS)) $(O)/obj/gen/datasets_table.o
$(O)/libparts.a $(ARCHIVES): $(O)/flags
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(O)/gen/datasets_table.c: scripts/datasets-table.awk $(sort $(wildcard datasets/*/manifest.json)) | $(O)/gen/
	$(Q)awk -f $^ > $@
$(O)/gen/words_table.c: datasets/portable-words/words.tsv scripts/words-table.awk | $(O)/gen/
	$(Q)awk -f scripts/words-table.awk $< > $@
$(O)/obj/gen/%.o: $(O)/gen/%.c $(O)/flags | $(O)/obj/gen/
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

define tool_rule
$(O)/bin/$(1): $(call objs,$(wildcard tools/$(1).c tools/$(1)-*.c tools/$(1:trace-%=%)/*.c)) $(GEN_$(1)) $(ARCHIVES) | $(O)/bin/
	$$(call say,LINK,$$@)
	$$(Q)$$(LINK) -o $$@ $$^ $$(LIBS_$(1)) $$(LDLIBS)
endef
$(foreach t,$(TOOLS),$(eval $(call tool_rule,$t)))

tests: $(UNIT) $(HELPERS)
$(HELPERS): $(O)/%: $(O)/obj/%.o $(ARCHIVES) | $$(@D)/
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^ $(LDLIBS)
$(UNIT): $(O)/%: $(O)/obj/%.o $(TEST_LIBS) | $$(@D)/
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^ -lcmocka $(TEST_LDLIBS)

fuzzers: $(FUZZ)
$(FUZZ): $(O)/%: $(O)/obj/%.o $(TEST_LIBS) | $$(@D)/
	$(call say,LINK,$@)
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $^ $(TEST_LDLIBS)

-include $(wildcard $(O)/obj/*/*.d $(O)/obj/*/*/*.d)

# --- pages and completions, made from the tools' own option tables -----------------------------------------------

.PHONY: pages
pages: $(PAGES) $(TOOLS:%=$(O)/completions/bash/%) $(TOOLS:%=$(O)/completions/zsh/_%)
$(O)/man/%.1: docs/man/%.1.scd $(O)/bin/% | $(O)/man/
	$(call say,MAN,$@)
	$(Q)$(O)/bin/$* --help-man > $@.options
	$(Q)sed -e '/^@OPTIONS@$$/{r $@.options' -e 'd;}' $< > $@.scd && scdoc < $@.scd > $@
$(O)/man/%: docs/man/%.scd $(O)/gen/fields $(wildcard docs/man/*.inc) | $(O)/man/
	$(call say,MAN,$@)
	$(Q)$(O)/gen/fields > $@.fields
	$(Q)sed -e '/^@FIELDS@$$/{r $@.fields' -e 'd;}' -e '/^@HEADER@$$/{r docs/man/header.inc' -e 'd;}' \
	    -e '/^@TRAILER@$$/{r docs/man/trailer.inc' -e 'd;}' $< > $@.scd && scdoc < $@.scd > $@
$(O)/gen/fields: $(O)/obj/docs/gen/fields.o $(O)/libtrace.a | $(O)/gen/
	$(Q)$(LINK) -o $@ $^ $(LIBTRACE_LIBS)
$(O)/completions/bash/%: $(O)/bin/% | $(O)/completions/bash/
	$(Q)$< --completion bash > $@
$(O)/completions/zsh/_%: $(O)/bin/% | $(O)/completions/zsh/
	$(Q)$< --completion zsh > $@

# --- checking ----------------------------------------------------------------------------------------------------

# Warnings belong to the plain builds: sanitized code provokes false ones.
comma     := ,
sanitized  = $(MAKE) --no-print-directory O=$(O)/$(1) SAN=$(2) CFLAGS='-O1 -g' WERROR= all tests
check-asan: deps ## unit, command-line and replay tests with AddressSanitizer, LeakSanitizer and UBSan
	+$(Q)$(call sanitized,asan,address$(comma)undefined)
	$(Q)tests/run.sh $(O)/asan unit bats replay
check-ubsan: deps ## the same with UBSan alone
	+$(Q)$(call sanitized,ubsan,undefined)
	$(Q)tests/run.sh $(O)/ubsan unit bats replay
check-tsan: deps ## the same with ThreadSanitizer
	+$(Q)$(call sanitized,tsan,thread)
	$(Q)tests/run.sh $(O)/tsan unit bats replay
# What cannot be installed is passed over by the test, saying so.
check-portable: deps ## the same records from every compiler, and on other machines under qemu
	-$(Q)scripts/deps.sh portable
	$(Q)tests/portable.sh $(O)

lint: deps-full ready tidy ## clang-format, clang-tidy and the checks of the house
	$(Q)clang-format --dry-run -Werror $(C_FILES)
	$(Q)tests/run.sh $(O) house
tidy: deps-full
	$(Q)printf '%s\n' $(filter-out tests/%,$(filter %.c,$(C_FILES))) | \
	    xargs -P $$(nproc) -I{} clang-tidy --quiet $(if $(REPRISE_FULL),,--checks='-clang-analyzer-*') {} -- $(STD) 2> /dev/null

fuzz: deps-full ## fuzz every tests/fuzz/fuzz_*.c for FUZZ_SECONDS in all, or FUZZ_EACH each
	$(Q)$(MAKE) --no-print-directory CC=clang O=$(O)/fuzz SAN=fuzzer-no-link,address,undefined CFLAGS='-O1 -g' fuzzers
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run.sh $(O)/fuzz

bench: ready ## measure speed, punctuality and memory; BENCH=trace, replay or tokenizer for one part
	$(Q)tests/bench/run.sh $(O) $(BENCH)

# --- installing --------------------------------------------------------------------------------------------------

INSTALLED = $(TOOLS:%=bin/%) $(foreach p,$(PAGES),share/man/man$(subst .,,$(suffix $p))/$(notdir $p)) \
            $(TOOLS:%=share/bash-completion/completions/%) $(TOOLS:%=share/zsh/site-functions/_%) \
            lib/libtrace.a lib/pkgconfig/reprise.pc $(patsubst %,include/%,$(sort $(wildcard libtrace/*.h)))
install: all pages ## install under PREFIX (/usr/local) and DESTDIR
	$(Q)to='$(DESTDIR)$(PREFIX)'; set -e; \
	install -d "$$to/bin" "$$to/lib/pkgconfig" "$$to/include/libtrace" "$$to/share/bash-completion/completions" \
	    "$$to/share/zsh/site-functions"; \
	install $(TOOLS:%=$(O)/bin/%) "$$to/bin"; \
	install -m 644 $(O)/libtrace.a "$$to/lib"; \
	install -m 644 libtrace/*.h "$$to/include/libtrace"; \
	install -m 644 $(TOOLS:%=$(O)/completions/bash/%) "$$to/share/bash-completion/completions"; \
	install -m 644 $(TOOLS:%=$(O)/completions/zsh/_%) "$$to/share/zsh/site-functions"; \
	for page in $(PAGES); do \
	    install -d "$$to/share/man/man$${page##*.}"; install -m 644 "$$page" "$$to/share/man/man$${page##*.}"; \
	done; \
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS@|$(LIBTRACE_LIBS)|' reprise.pc.in \
	    > "$$to/lib/pkgconfig/reprise.pc"
uninstall: ## remove what install put there
	$(Q)cd '$(DESTDIR)$(PREFIX)' && rm -f $(INSTALLED) && { [ ! -d include/libtrace ] || rmdir include/libtrace; }

clean: ## remove everything that was built
	rm -rf $(O)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14
