#!/usr/bin/python3
"""np.zeros over 128 KiB to 1 MiB: each array is checked to be all zero, written in part, and freed.

With jemalloc preloaded, np.zeros is calloc, and jemalloc zeroes a recycled extent with
madvise(MADV_DONTNEED) in its default configuration. Nothing here knows of keepwarm.

The check looks at every byte: the maximum of the array as unsigned words, the cheapest of numpy's ways to
do so (half of what filling it costs).

As in any such loop, an array lives until the next one is there. --free-first frees it before: then glibc's
malloc gets the same hot memory back every time and never returns any, which is its best case.
"""

import argparse
import random
import resource
import sys
import time

import numpy as np

SMALLEST, LARGEST = 128 << 10, 1 << 20


def draw_sizes(count, seed):
    """COUNT array sizes in bytes, multiples of a word, evenly spread over the range, in random order."""
    step = (LARGEST - SMALLEST) / max(count - 1, 1)
    sizes = [SMALLEST + int(i * step) // 8 * 8 for i in range(count)]
    random.Random(seed).shuffle(sizes)
    return sizes


def use_arrays(sizes, written, free_first):
    """One pass over the sizes. Exits 1 if an array is not zero when it is new."""
    for size in sizes:
        array = np.zeros(size // 8)
        if array.view(np.uint64).max():
            place = int(np.flatnonzero(array.view(np.uint8))[0])
            sys.exit(f"numpy_zeros: byte {place} of a new array of {size} bytes is not zero")
        array[: int(array.size * written)] = 1.0
        if free_first:
            del array


def main():
    parser = argparse.ArgumentParser(description="Times np.zeros, with every array checked and partly written.")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long to measure")
    parser.add_argument("--written", type=float, default=0.25, help="share of an array that is written")
    parser.add_argument("--free-first", action="store_true", help="free an array before the next is made")
    parser.add_argument("--seed", type=int, default=1, help="of the order of sizes")
    options = parser.parse_args()

    sizes = draw_sizes(64, options.seed)
    for _ in range(10):
        use_arrays(sizes, options.written, options.free_first)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    start = time.perf_counter()
    iterations = 0
    while (elapsed := time.perf_counter() - start) < options.seconds:
        use_arrays(sizes, options.written, options.free_first)
        iterations += len(sizes)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        f"iterations_per_second={iterations / elapsed:.0f}"
        f" faults_per_iteration={(used.ru_minflt - faults) / iterations:.2f} max_rss_kib={used.ru_maxrss}"
    )


if __name__ == "__main__":
    main()
