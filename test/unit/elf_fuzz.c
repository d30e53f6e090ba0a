/* Damaged ELF files: every prefix length class and random bit flips of a real file must come back as an error
   or as an answer that stays inside the file. elf_fuzz FILE [SECONDS [SEED]]; run it under a sanitizer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hooks/elf_file.h"
#include "hooks/site_list.h"

static uint64_t state;
static unsigned long opened, sites_seen, slots_seen;

static uint32_t draw(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

static bool on_site(void *context, const struct file_site *site)
{
    const struct elf_file *file = context;
    if (site->size > 0 && (site->bytes < file->bytes || site->bytes + site->size > file->bytes + file->size))
        abort();
    sites_seen++;
    return true;
}

static bool on_slot(void *context, const struct elf_slot *slot)
{
    (void)context;
    slots_seen += strlen(slot->name) > 0;
    return true;
}

/* All questions to one image, in memory of exactly its size. */
static void ask(const uint8_t *bytes, size_t size)
{
    struct elf_file file;
    struct elf_extent extent;
    uint8_t *exact = malloc(size + !size);
    if (!exact)
        exit(1);
    memcpy(exact, bytes, size);
    if (elf_file_from_memory(&file, exact, size) == 0) {
        opened++;
        site_list(&file, SITE_CALLS_RESETS, on_site, &file);
        elf_slots(&file, on_slot, NULL);
        elf_data_symbol(&file, "environ", &extent);
        elf_symbol_at(&file, 0x1000, &extent);
        elf_unwind_at(&file, UINT64_MAX, &extent);
        elf_file_soname(&file);
        elf_file_close(&file);
    }
    free(exact);
}

/* Flips where it hurts: mostly in the headers at the start and in the tables of sections at the end. */
static void flip(uint8_t *bytes, size_t size)
{
    for (uint32_t n = 1 + draw(8); n > 0; n--) {
        uint32_t kind = draw(4), reach = kind == 0 ? 64 : kind == 1 ? 1024 : (uint32_t)size;
        size_t at = draw(reach < size ? reach : (uint32_t)size);
        if (kind == 2)
            at = size - 1 - draw(size < 4096 ? (uint32_t)size : 4096);
        bytes[at] = draw(2) ? (uint8_t)(bytes[at] ^ 1u << draw(8)) : (uint8_t)(draw(2) ? 0xff : 0);
    }
}

int main(int argc, char **argv)
{
    static uint8_t whole[4 << 20], copy[sizeof whole];
    FILE *in = argc > 1 ? fopen(argv[1], "rb") : NULL;
    size_t size = in ? fread(whole, 1, sizeof whole, in) : 0;
    if (size == 0) {
        fprintf(stderr, "elf_fuzz: give a readable FILE\n");
        return 1;
    }
    fclose(in);
    double seconds = argc > 2 ? atof(argv[2]) : 3;
    state = (argc > 3 ? strtoull(argv[3], NULL, 0) : (uint64_t)time(NULL)) * 2 + 1;
    printf("elf_fuzz: seed %llu\n", (unsigned long long)(state / 2));
    fflush(stdout);
    for (size_t cut = 0; cut < 4096 && cut < size; cut++)
        ask(whole, cut);
    unsigned long runs = 0;
    for (clock_t end = clock() + (clock_t)(seconds * CLOCKS_PER_SEC); clock() < end; runs++) {
        memcpy(copy, whole, size);
        flip(copy, size);
        ask(copy, draw(4) ? size : 1 + draw((uint32_t)size));
    }
    printf("elf_fuzz: %lu damaged files, %lu still opened, %lu sites and %lu slots in them\n", runs, opened,
           sites_seen, slots_seen);
    return 0;
}
