#include "shim/verify.h"

#include "scan/prim.h"
#include "scan/regions.h"
#include "shim/message.h"
#include "shim/state.h"

/* In a vector that is lent for scans: the stack may be small. */
enum { CHUNK = 2048, ENTRIES = 240 };
struct buffers {
    char now[CHUNK], wanted[CHUNK];
    uint64_t entry[ENTRIES]; /* what /proc/self/pagemap says of pages, */
    uintptr_t start, end;    /* ... which are these */
};
_Static_assert(sizeof(struct buffers) <= REGIONS_MANY * sizeof(struct page_region), "they fit a vector");

/* Has a page anything of its own? What is neither present nor swapped is what the next access makes of it
   (Documentation/admin-guide/mm/pagemap.rst): to compare it would take the time, and page it in. True where
   nobody can tell. */
static bool has_content(struct buffers *buffers, uintptr_t page)
{
    enum { PRESENT_OR_SWAPPED = 62 };
    if (page < buffers->start || page >= buffers->end) {
        int64_t place = (int64_t)(page / PAGE * sizeof *buffers->entry);
        long bytes = prim_pread(process.files.pagemap, buffers->entry, sizeof buffers->entry, place);
        if (bytes < (long)sizeof *buffers->entry)
            return true;
        buffers->start = page;
        buffers->end = page + (uintptr_t)bytes / sizeof *buffers->entry * PAGE;
    }
    return buffers->entry[(page - buffers->start) / PAGE] >> PRESENT_OR_SWAPPED;
}

static bool read_safely(const void *from, char *to)
{
    struct iovec local = {to, CHUNK}, remote = {(void *)from, CHUNK};
    return prim_copy_safely(&local, &remote, 1) == CHUNK;
}

/* Without a branch for each byte: nearly all chunks are equal, and the compiler makes vectors of this. */
static bool is_equal(const char *now, const char *wanted)
{
    char difference = 0;
    for (size_t i = 0; i < CHUNK; i++)
        difference |= now[i] ^ wanted[i];
    return !difference;
}

/* How many of a chunk's bytes differ. A page that cannot be read (a guard page) shows nothing. */
static unsigned compare_chunk(struct buffers *buffers, uintptr_t address, const char *snapshot,
                              uintptr_t *place)
{
    static const char zeroes[CHUNK];
    const char *wanted = snapshot ? buffers->wanted : zeroes;
    unsigned differences = 0;
    if (!read_safely((void *)address, buffers->now) || (snapshot && !read_safely(snapshot, buffers->wanted)))
        return 0;
    if (is_equal(buffers->now, wanted))
        return 0;
    for (size_t i = 0; i < CHUNK; i++)
        if (buffers->now[i] != wanted[i] && differences++ == 0)
            *place = address + i;
    return differences;
}

static uint64_t compare_piece(struct buffers *buffers, uintptr_t start, const struct piece *piece,
                              uintptr_t *place)
{
    uint64_t differences = 0;
    uintptr_t end = piece->end;
    const char *view = piece_is_anonymous(piece) ? NULL : piece->image.view + piece->offset;
    /* A sealed file may have grown since its view was made: what lies past the view was not restored from it.
     */
    if (view && piece->offset + (end - start) > piece->image.size)
        end = piece->offset < piece->image.size ? start + (piece->image.size - piece->offset) : start;
    for (uintptr_t at = start; at < end; at += CHUNK) {
        uintptr_t here = 0;
        if (!has_content(buffers, at & ~(uintptr_t)(PAGE - 1)))
            continue;
        unsigned found = compare_chunk(buffers, at, view ? view + (at - start) : NULL, &here);
        if (found && !differences)
            *place = here;
        differences += found;
    }
    return differences;
}

static void add_range(struct text *text, const struct call *call)
{
    text_add(text, "0x");
    text_add_hex(text, call->start);
    text_add(text, "-0x");
    text_add_hex(text, call->end);
}

static void report(uint64_t differences, uintptr_t place, const struct call *call)
{
    char bytes[128];
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    text_add_number(&text, differences);
    text_add(&text, " bytes differ, the first at 0x");
    text_add_hex(&text, place);
    text_add(&text, ", after a reset of ");
    add_range(&text, call);
    message(LOG_ERROR, "verify: ", bytes, NULL);
}

/* Its buffers do not belong in the frame of a caller that goes on to serve. */
__attribute__((noinline)) void verify_report_mapping(const struct call *call)
{
    char bytes[64];
    struct text text;
    text_start(&text, bytes, sizeof bytes);
    add_range(&text, call);
    count(COUNTER_verify_differences, 1);
    message(LOG_ERROR, "verify: vma=cache is not kept: the mapping of ", bytes, " was changed unseen", NULL);
}

/* As above: what it needs is not for the frame of a caller that goes on to serve. */
__attribute__((noinline)) long verify_call(const struct call *call, const struct plan *plan, int advice)
{
    uint64_t differences = 0;
    uintptr_t position = call->start, place = 0;
    struct loan claim;
    struct buffers *buffers = (struct buffers *)regions_claim(&claim);
    if (buffers)
        buffers->start = buffers->end = 0;
    for (unsigned i = 0; buffers && i < plan->count; position = plan->piece[i++].end) {
        uintptr_t here = 0;
        if (plan->answer[i].hindrance != REASON_COUNT)
            continue;
        uint64_t found = compare_piece(buffers, position, &plan->piece[i], &here);
        if (found && !differences)
            place = here;
        differences += found;
    }
    if (buffers)
        regions_release(&claim);
    if (!differences)
        return 0;
    count(COUNTER_verify_differences, differences);
    report(differences, place, call);
    count(COUNTER_real_calls, 1);
    return prim_madvise(call->start, call->end - call->start, advice);
}
