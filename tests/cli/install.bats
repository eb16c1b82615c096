# SPDX-License-Identifier: Apache-2.0
#
# make install and uninstall, and a program of somebody else built on what is installed.

setup() {
	build=${REPRISE_BUILD:-build}
	! grep -q -e -fsanitize "$build/flags" || skip "sanitized build"
	to=$BATS_TEST_TMPDIR/root
}

install_there() { make -s O="$build" PREFIX=/usr DESTDIR="$to" "$@"; }

@test "install puts everything in its place, uninstall takes it away" {
	install_there install
	for tool in "$build"/bin/*; do
		tool=${tool##*/}
		cmp "$build/bin/$tool" "$to/usr/bin/$tool"
		[ -x "$to/usr/bin/$tool" ]
		[ -s "$to/usr/share/man/man1/$tool.1" ]
		[ -s "$to/usr/share/bash-completion/completions/$tool" ]
		[ -s "$to/usr/share/zsh/site-functions/_$tool" ]
	done
	[ -s "$to/usr/share/man/man5/trb.5" ]
	[ -s "$to/usr/lib/libtrace.a" ]
	! grep -r '@[A-Z]*@' "$to/usr/share" "$to/usr/lib/pkgconfig"
	install_there uninstall
	[ -z "$(find "$to" ! -type d)" ]
	install_there uninstall
}

@test "a program finds the library by pkg-config" {
	command -v pkg-config || skip "no pkg-config"
	install_there install
	cat >"$BATS_TEST_TMPDIR/p.c" <<-'END'
		#include <libtrace/stream.h>
		#include <libtrace/num.h>
		int main(void)
		{
			uint64_t n;
			return tr_num_count((struct tr_slice){"64Ki", 4}, &n) || n != 65536;
		}
	END
	export PKG_CONFIG_PATH=$to/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$to
	[ "$(pkg-config --modversion reprise)" = "$("$build/bin/trace-convert" --version | cut -d' ' -f2)" ]
	# shellcheck disable=SC2046
	cc -o "$BATS_TEST_TMPDIR/p" "$BATS_TEST_TMPDIR/p.c" -I"$to/usr/include" -L"$to/usr/lib" \
		$(PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 pkg-config --static --cflags --libs reprise)
	"$BATS_TEST_TMPDIR/p"
}
