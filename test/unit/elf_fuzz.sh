#!/bin/sh
# Damaged copies of a small program, with symbols and without. The leak checker is off: it needs ptrace.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/a.c" <<'C'
#include <sys/mman.h>
long site(void *p, long n)
{
    long r;
    __asm__ volatile("mov $28,%%eax; syscall" : "=a"(r) : "D"(p), "S"(n), "d"(4) : "rcx", "r11", "memory");
    return r;
}
int main(int c, char **v)
{
    return madvise(v, 0, c) + (int)site(v, 0);
}
C
${CC:-cc} -D_GNU_SOURCE -O2 "$dir/a.c" -o "$dir/a"
strip -s "$dir/a" -o "$dir/b"
ASAN_OPTIONS=detect_leaks=0
export ASAN_OPTIONS
"$top_builddir/test/unit/elf_fuzz" "$dir/a" 2
"$top_builddir/test/unit/elf_fuzz" "$dir/b" 2
