#!/bin/sh
# The test of the test: libraries that are broken on purpose, each of which the twin test must catch.
# A mutant is a sed script; its first line names the file it breaks, and how. A line "# operations: N" says that it takes
# so many, as few groups can show it. MUTANTS="NAME..." picks some.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}" "${top_builddir:=.}" "${CC:=cc}"
twin=$top_builddir/test/twin/twin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
missed=0
# Where hooks.so is looked for.
[ ! -f "$top_builddir/.libs/hooks.so" ] || cp "$top_builddir/.libs/hooks.so" "$folder"

build() { # build SOURCES LIBRARY
    (cd "$1" && $CC -shared -fPIC -std=gnu17 -O1 -D_GNU_SOURCE -I. -fvisibility=hidden -mgeneral-regs-only \
        -Wl,-z,now -Wl,--version-script=shim/keepwarm.map -o "$2" shim/*.c shim/*.S scan/*.c)
}

catches() { # catches LIBRARY LOG OPERATIONS: does the twin test fail under it?
    ! KEEPWARM_LIBRARY=$1 timeout 120 "$twin" --seed 1 --operations "$3" >"$2" 2>&1
}

for mutant in "$top_srcdir"/test/twin/mutants/*.sed; do
    name=$(basename "$mutant" .sed)
    case " ${MUTANTS:-$name} " in *" $name "*) ;; *) continue ;; esac
    file=$(sed -n '1s/^# \([^:]*\): .*/\1/p' "$mutant")
    rm -rf "$folder/source"
    mkdir "$folder/source"
    cp -R "$top_srcdir/shim" "$top_srcdir/scan" "$top_srcdir/hooks" "$folder/source"
    chmod -R u+w "$folder/source"
    sed -f "$mutant" "$top_srcdir/$file" >"$folder/source/$file"
    if cmp -s "$top_srcdir/$file" "$folder/source/$file"; then
        echo "FAIL $name: changes nothing in $file any more"
        missed=1
        continue
    fi
    build "$folder/source" "$folder/$name.so"
    operations=$(sed -n 's/^# operations: //p' "$mutant")
    if catches "$folder/$name.so" "$folder/$name.log" "${OPERATIONS:-${operations:-150000}}"; then
        echo "caught $name: $(grep -m1 FAILED "$folder/$name.log" || echo "ended without a word")"
    else
        echo "FAIL $name: not caught: $(sed -n 1p "$mutant")"
        tail -n 5 "$folder/$name.log"
        missed=1
    fi
done
exit $missed
