/* Steps for memory that only special set-ups give: the kernel's [vvar], pages merged by KSM, protection keys;
   and resets before any constructor has run. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "compare.h"
#include "ops.h"
#include "pair.h"
#include "reset.h"
#include "special.h"

static uint8_t *vvar, *vvar_end;

void special_start(void)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof line, maps))
        if (strstr(line, "[vvar]")) {
            char *rest;
            vvar = (uint8_t *)strtoul(line, &rest, 16);
            vvar_end = (uint8_t *)strtoul(rest + 1, NULL, 16);
        }
    if (maps)
        fclose(maps);
}

struct vvar_result {
    struct outcome outcome;
    bool mapped;
    uint8_t left[4];
};

/* There is one [vvar]: both calls are made at the same place, one after the other. */
static struct vvar_result vvar_reset(enum side side, size_t before, size_t length)
{
    struct vvar_result result = {.mapped = false};
    uint8_t *at = vvar - before * PAGE;
    if (before) {
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
        result.mapped = mmap(at, before * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0) == (void *)at;
        for (size_t i = 0; result.mapped && i < before; i++)
            at[i * PAGE] = 0x33;
    }
    if (!result.mapped)
        at = vvar;
    size_t whole = (size_t)(vvar - at) + length;
    result.outcome = side == REAL ? took_raw(raw_madvise(at, whole, ADVICE_DONTNEED))
                                  : reset_library(at, whole, ADVICE_DONTNEED, false);
    for (size_t i = 0; result.mapped && i < before; i++)
        result.left[i] = at[i * PAGE];
    if (result.mapped)
        munmap(at, before * PAGE);
    return result;
}

void op_vvar(struct pair *pair)
{
    size_t before = below(4), length = PAGE * (1 + below((uint64_t)(vvar_end - vvar) / PAGE));
    if (!vvar) {
        op_reset(pair);
        return;
    }
    note("reset of [vvar] with %zu pages before it", before);
    struct vvar_result real = vvar_reset(REAL, before, length), library = vvar_reset(LIBRARY, before, length);
    same("madvise across [vvar]", real.outcome, library.outcome);
    if (memcmp(real.left, library.left, sizeof real.left) != 0)
        fail("the pages before [vvar] differ");
    count_row(ROW_vvar, 1);
}

static long read_number(const char *path, const char *after)
{
    char text[512] = "";
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, text, sizeof text - 1) < 0)
        text[0] = 0;
    if (file >= 0)
        close(file);
    const char *at = strstr(text, after);
    return at ? strtol(at + strlen(after), NULL, 10) : 0;
}

static void use_zero_pages(bool use)
{
    int file = open("/sys/kernel/mm/ksm/use_zero_pages", O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, use ? "1" : "0", 1) != 1)
        note("KSM keeps its setting for zero pages");
    if (file >= 0)
        close(file);
}

/* Waits until most of both sides is merged; the scanner needs to see a page twice. */
static bool wait_merged(size_t pages)
{
    struct timespec moment = {0, 3000000};
    for (int i = 0; i < 1000; i++) {
        long merged = read_number("/proc/self/ksm_merging_pages", "");
        long zero = read_number("/proc/self/ksm_stat", "ksm_zero_pages ");
        if (merged + zero >= (long)(2 * pages * 9 / 10))
            return true;
        nanosleep(&moment, NULL);
    }
    return false;
}

void op_ksm(struct pair *pair)
{
    bool zero = chance(60), use = chance(70);
    if (!has(HAS_KSM) || (pair->kind->number != KIND_ksm_anon && pair->kind->number != KIND_ksm_memfd))
        return;
    if (pair->image.pages && pair->image.pages < pair->pages)
        return;
    use_zero_pages(use);
    uint8_t value = zero ? 0 : (uint8_t)(1 + below(4));
    note("fill slot %u with %02x and wait for KSM%s", pair->slot, value, use ? ", zero pages used" : "");
    for (int side = REAL; side <= LIBRARY; side++)
        memset(pair->at[side], value, pair->pages * PAGE);
    if (!wait_merged(pair->pages)) {
        note("KSM did not merge");
        compare_pair(pair);
        return;
    }
    pair_set(pair, 0, pair->pages, zero && use ? A_KSM_ZERO : A_KSM, 0);
    for (size_t page = 0; page < pair->pages; page++) {
        reset_pages(pair, page, page + 1);
        count_operations(1);
    }
}

void op_pkey(struct pair *pair)
{
    int key = has(HAS_PKEY) ? pkey_alloc(0, PKEY_DISABLE_WRITE) : -1;
    if (key < 0)
        return;
    fill_pages(pair, 0, pair->pages, PAGE, 0x44);
    note("protection key %d, stores denied, slot %u", key, pair->slot);
    for (int side = REAL; side <= LIBRARY; side++)
        pkey_mprotect(pair->at[side], pair->pages * PAGE, PROT_READ | PROT_WRITE, key);
    reset_pages(pair, 0, pair->pages);
    for (int side = REAL; side <= LIBRARY; side++)
        pkey_mprotect(pair->at[side], pair->pages * PAGE, PROT_READ | PROT_WRITE, 0);
    pair_set(pair, 0, pair->pages, 0, A_NO_ACCESS | A_READ_ONLY);
    pkey_free(key);
    count_row(ROW_pkey, 1);
}

static struct early early;

const struct early *special_early_result(void)
{
    return &early;
}

void special_early(void)
{
    for (unsigned i = 0; i < 500; i++) {
        uint8_t *side[2];
        for (int k = REAL; k <= LIBRARY; k++) {
            side[k] = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            memset(side[k], 0x66, 4 * PAGE);
        }
        long real = raw_madvise(side[REAL] + PAGE, 2 * PAGE, ADVICE_DONTNEED);
        long library = madvise(side[LIBRARY] + PAGE, 2 * PAGE, ADVICE_DONTNEED);
        early.resets++;
        early.differ |= real != library || memcmp(side[REAL], side[LIBRARY], 4 * PAGE) != 0;
        for (int k = REAL; k <= LIBRARY; k++)
            munmap(side[k], 4 * PAGE);
    }
}
