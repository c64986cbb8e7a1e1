#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# What is installed: `make install` and `make uninstall` in a tree of their own, the units as systemd-analyze judges them, manual
# pages, completion, and the Debian package as lintian sees it, here around the programs that are built already. LONG=1: the
# package as `make deb` builds it, twice, with the same bytes. At work: units.bats, upgrade.bats.

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return
	[[ -x build/bin/sluiced ]] || skip "nothing is built"
}

# place VERB DIR [VARIABLE=VALUE...]: make install or uninstall of what is built, without building: with the flags that it was built with
place() {
	local verb=$1 dir=$2
	shift 2
	! grep -q -- -Werror build/.flags || set -- WERROR=1 "$@"
	make -s "$verb" "DESTDIR=$dir" PROGRAMS= "$@"
}

# tree DIR: everything in it, with modes and sums
tree() {
	(cd "$1" && find . -printf '%y %m %p\n' | sort && find . -type f -exec sha256sum {} + | sort)
}

@test "install and uninstall in a tree: afterwards it is as it was, empty folders included" {
	local dir=$BATS_TEST_TMPDIR/tree before file
	mkdir -p "$dir/usr/sbin" "$dir/usr/share/doc/other" "$dir/etc"
	echo other >"$dir/usr/share/doc/other/README"
	before=$(tree "$dir")
	place install "$dir" PREFIX=/usr
	for file in usr/sbin/sluicectl usr/sbin/sluiced etc/sluice/sluice.conf usr/share/man/man8/sluiced.8 \
		usr/share/man/man5/sluice.conf.5 usr/lib/systemd/system/sluice-attach.service usr/lib/systemd/system/sluiced.service \
		usr/lib/systemd/system/sluice-watch.service usr/lib/sysusers.d/sluice.conf usr/lib/tmpfiles.d/sluice.conf \
		usr/share/bash-completion/completions/sluicectl usr/share/doc/sluice/LICENSE; do
		[[ -s $dir/$file ]] || {
			echo "$file is missing"
			return 1
		}
	done
	[[ $(tree "$dir") != "$before" ]]
	# again, over what is there
	place install "$dir" PREFIX=/usr
	place uninstall "$dir" PREFIX=/usr
	diff <(echo "$before") <(tree "$dir")
}

@test "install: units name the programs where they are, an edited configuration stays, also over uninstall with KEEP_CONFIG=1" {
	local dir=$BATS_TEST_TMPDIR/tree
	place install "$dir" PREFIX=/opt/sluice
	[[ $(grep -h '^ExecStart=' "$dir"/opt/sluice/lib/systemd/system/*.service | cut -d' ' -f1 | sort -u) == \
		$'ExecStart=/opt/sluice/sbin/sluicectl\nExecStart=/opt/sluice/sbin/sluiced' ]]
	echo "# mine" >>"$dir/etc/sluice/sluice.conf"
	place install "$dir" PREFIX=/opt/sluice
	tail -n 1 "$dir/etc/sluice/sluice.conf" | grep -qx '# mine'
	place uninstall "$dir" PREFIX=/opt/sluice KEEP_CONFIG=1
	[[ $(cd "$dir" && find . -type f) == ./etc/sluice/sluice.conf ]]
}

@test "the configuration that is installed is good, switches nothing on, and has every key of the example" {
	place install "$BATS_TEST_TMPDIR/tree"
	build/bin/sluiced --config "$BATS_TEST_TMPDIR/tree/etc/sluice/sluice.conf" --check
	! grep -vE '^(#|\[(node|marathon|consul|guards|admin)\]$|$)' "$BATS_TEST_TMPDIR/tree/etc/sluice/sluice.conf" || return 1
	diff <(sed 's/^#*//' "$BATS_TEST_TMPDIR/tree/etc/sluice/sluice.conf") <(sed 's/^#*//' deploy/sluice.conf)
}

# exposure UNIT: ten times what systemd-analyze says
exposure() {
	systemd-analyze security --offline=true --no-pager "deploy/systemd/$1.service" |
		sed -nE 's/.*exposure level for .*: ([0-9]+)\.([0-9]).*/\1\2/p'
}

@test "systemd-analyze security: the daemon at most 2.0, the others at most 3.0" {
	command -v systemd-analyze >/dev/null || skip "no systemd-analyze (Debian: systemd)"
	local unit score
	for unit in sluiced:20 sluice-attach:30 sluice-watch:30; do
		score=$(exposure "${unit%:*}")
		echo "${unit%:*}: $score tenths"
		[[ -n $score ]]
		((10#$score <= ${unit#*:}))
	done
}

@test "systemd-analyze verify has nothing to say of the units, nor of the drop-in" {
	command -v systemd-analyze >/dev/null || skip "no systemd-analyze (Debian: systemd)"
	local dir=$BATS_TEST_TMPDIR/tree
	local -a units
	# the manual pages that the units name are looked for as well: where they are to be is left to the package
	place install "$dir" PREFIX=/usr
	mkdir -p "$dir/units/sluiced.service.d"
	cp "$dir"/usr/lib/systemd/system/*.service "$dir/units"
	cp deploy/systemd/before-5.19.conf "$dir/units/sluiced.service.d"
	sed -i "s#=/usr/sbin/#=$dir/usr/sbin/#; /^Documentation=/d" "$dir"/units/*.service
	units=("$dir"/units/*.service)
	[[ ${#units[@]} == 3 ]]
	run systemd-analyze verify --recursive-errors=no "${units[@]}"
	echo "$output"
	[[ $status == 0 && -z $output ]]
}

@test "manual pages: man has no warning" {
	local page
	for page in deploy/man/*; do
		run env LC_ALL=C.UTF-8 MANROFFSEQ= MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page"
		[[ $status == 0 ]]
		run bash -c "man --warnings -l -Tutf8 -Z '$page' 2>&1 >/dev/null"
		[[ -z $output ]] || {
			echo "$page: $output"
			return 1
		}
	done
}

@test "the maintainer's scripts: shellcheck" {
	shellcheck --shell=dash deploy/debian/postinst deploy/debian/prerm deploy/debian/postrm
	shellcheck deploy/debian/build deploy/host deploy/place deploy/completion/*.bash
}

# completes WORDS...: what bash offers for the last one
completes() {
	bash --norc -c 'source deploy/completion/sluicectl.bash; source deploy/completion/sluiced.bash
		PATH=$1:$PATH; shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		"_$1"
		printf "%s\n" "${COMPREPLY[@]}" | sort' bash "$COMPLETES" "$@"
}

@test "completion: verbs, options and backends come from sluicectl itself" {
	local verbs
	COMPLETES=$PWD/build/bin
	verbs=$(build/bin/sluicectl --help | awk '/^  [a-z]/ { print $1 }' | sort)
	[[ $(wc -w <<<"$verbs") -ge 18 ]]
	[[ $(completes sluicectl '' | grep -v '^--') == "$verbs" ]]
	[[ $(completes sluicectl --config /dev/null st) == status ]]
	[[ $(completes sluicectl attach --) == --watch ]]
	[[ $(completes sluicectl --js) == --json ]]
	[[ $(completes sluiced --ch) == --check ]]
	[[ $(completes sluicectl --config deploy/sl) == deploy/sluice.conf ]]
	# backends as sluicectl --json tells them; the real ones are completed in upgrade.bats
	COMPLETES=$BATS_TEST_TMPDIR
	build/bin/sluicectl --help >"$BATS_TEST_TMPDIR/help"
	cat >"$BATS_TEST_TMPDIR/sluicectl" <<-END
		#!/bin/sh
		case \$* in
		*--help*) cat "$BATS_TEST_TMPDIR/help" ;;
		*--json*backends*) printf '[{\n\t\t"service":\t"web",\n\t\t"port":\t31005,\n\t\t"task":\t"web.1"\n\t}, {\n\t\t"service":\t"api",\n\t\t"port":\t31006\n\t}]\n' ;;
		esac
	END
	chmod +x "$BATS_TEST_TMPDIR/sluicectl"
	[[ $(completes sluicectl drain '') == $'--all\n--wait\napi/31006\nweb/31005' ]]
	[[ $(completes sluicectl weight web/) == web/31005 ]]
}

# package ARGS OF build...
package() {
	command -v lintian >/dev/null || skip "no lintian (tools/deps)"
	deploy/debian/build --out "$BATS_TEST_TMPDIR/deb" "$@"
}

judged() {
	run lintian --allow-root --fail-on error,warning --tag-display-limit 0 "$1"
	echo "$output"
	[[ $status == 0 && $output != *"E: "* && $output != *"W: "* ]]
}

@test "the package: what is in it, what it depends on, and lintian" {
	local deb
	package --programs build/bin
	deb=$BATS_TEST_TMPDIR/deb/sluice_$(sed -nE 's/.*SLUICE_VERSION "(.*)"/\1/p' userspace/lib/version.h)_$(dpkg --print-architecture).deb
	judged "${deb%.deb}.changes"
	dpkg-deb --info "$deb" conffiles | grep -qx /etc/sluice/sluice.conf
	dpkg-deb --field "$deb" Depends | grep -q libbpf1
	mkdir "$BATS_TEST_TMPDIR/tree"
	place install "$BATS_TEST_TMPDIR/tree" PREFIX=/usr UNITDIR=/lib/systemd/system
	# all that `make install` puts there, but for what Debian has elsewhere or adds
	diff <(cd "$BATS_TEST_TMPDIR/tree" && find . -type f | grep -vE '/(LICENSE|folders-made)$' | sort) \
		<(dpkg-deb --contents "$deb" | awk '/^-/ { print $6 }' | sed 's/\.gz$//' | grep -vE 'doc/sluice/(changelog|copyright)$' | sort)
}

@test "make deb: lintian, and two builds in two places give the same bytes" {
	[[ ${LONG-} == 1 ]] || skip "with LONG=1"
	local one two
	package
	one=$(cd "$BATS_TEST_TMPDIR/deb" && sha256sum ./*.deb)
	judged "$(echo "$BATS_TEST_TMPDIR"/deb/*.changes)"
	package --out "$BATS_TEST_TMPDIR/elsewhere"
	two=$(cd "$BATS_TEST_TMPDIR/elsewhere" && sha256sum ./*.deb)
	diff <(echo "$one") <(echo "$two")
}
