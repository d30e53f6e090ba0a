#!/bin/sh
# Damaged copies of a small program, with symbols and without. The leak checker is off: it needs ptrace.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
printf '#include <sys/mman.h>\nint main(int c, char **v) { return madvise(v, 0, c); }\n' >"$dir/a.c"
${CC:-cc} -D_GNU_SOURCE -O2 "$dir/a.c" -o "$dir/a"
strip -s "$dir/a" -o "$dir/b"
ASAN_OPTIONS=detect_leaks=0
export ASAN_OPTIONS
"$top_builddir/test/unit/elf_fuzz" "$dir/a" 2
"$top_builddir/test/unit/elf_fuzz" "$dir/b" 2
