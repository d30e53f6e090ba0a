#include "shim/plan.h"

#include <errno.h>

#include "scan/prim.h"
#include "scan/vma.h"
#include "shim/plan_cache.h"
#include "shim/state.h"
#include "shim/verify.h"

static uint64_t judge_file(char *path, bool *promised)
{
    region_normalise(path);
    uint32_t files = region_file_matches(&process.rules, path);
    *promised = region_promises(&process.rules, files) != 0;
    return files;
}

/* Why a file's image cannot be restored from under this rule; or REASON_COUNT. */
static enum reason image_hindrance(const struct image *image, int rule)
{
    switch (image->kind) {
    case IMAGE_SEALED:
        return REASON_COUNT;
    case IMAGE_STABLE:
        return process.rules.rule[rule].stable ? REASON_COUNT : REASON_unsealed;
    case IMAGE_MUTABLE:
        return REASON_unsealed;
    case IMAGE_SPECIAL:
        return REASON_special;
    default:
        return REASON_no_image;
    }
}

/* Describes the part of the call from position on that one mapping holds. */
static enum reason plan_piece(const struct call *call, const struct vma *vma, uintptr_t position,
                              struct plan_piece *piece)
{
    bool anonymous = vma->inode == 0;
    struct image image = {.kind = IMAGE_NONE};
    *piece = (struct plan_piece){
        .end = vma->end < call->end ? vma->end : call->end,
        .hindrance = region_hindrance(vma),
        .rule = -1,
    };
    if (!anonymous && piece->hindrance == REASON_COUNT) {
        if (!process.procmap)
            piece->hindrance = REASON_no_maps;
        else if (!image_find(vma, &image)) {
            int error = image_register(process.files.maps, vma, judge_file, &image);
            if (error)
                return error == -EBUSY ? REASON_busy : REASON_images;
        }
    }
    piece->rule = region_match(&process.rules, call, anonymous, (uint32_t)image.tags, position, &piece->end);
    if (piece->rule < 0)
        piece->hindrance = REASON_no_rule;
    else if (!anonymous && piece->hindrance == REASON_COUNT)
        piece->hindrance = image_hindrance(&image, piece->rule);
    piece->image = image;
    piece->offset = vma->offset + (position - vma->start);
    return REASON_COUNT;
}

static enum reason reason_of_query(int error)
{
    return error == -ENOENT ? REASON_unmapped : error == -EPERM ? REASON_seccomp : REASON_no_maps;
}

static enum reason ask_mappings(const struct call *call, struct plan *plan)
{
    uintptr_t position = call->start;
    plan->count = 0;
    plan->unconfirmed = !process.procmap;
    while (position < call->end) {
        struct vma vma;
        int error = process.procmap ? vma_query(process.files.maps, position, &vma)
                                    : vma_read(process.files.maps, position, &vma, NULL, 0);
        if (error)
            return reason_of_query(error);
        /* One mapping may give several pieces, where a range selector cuts it. */
        while (position < call->end && position < vma.end) {
            if (plan->count == PLAN_PIECES)
                return REASON_mappings;
            struct plan_piece *piece = &plan->piece[plan->count++];
            enum reason reason = plan_piece(call, &vma, position, piece);
            if (reason != REASON_COUNT)
                return reason;
            position = piece->end;
        }
    }
    return REASON_COUNT;
}

static enum reason ask_lock(const struct call *call, int advice)
{
    if (advice == ADVICE_DONTNEED_LOCKED)
        return REASON_COUNT;
    switch (vma_check_unlocked(call->start, call->end - call->start)) {
    case 0:
        return REASON_COUNT;
    case -EBUSY:
        return REASON_locked;
    case -ENOMEM:
        return REASON_unmapped;
    default:
        return REASON_seccomp;
    }
}

/* The rules that matched; whether any piece can be served, and all of them by vma=cache rules. */
static bool survey(const struct plan *plan, uint32_t *matched, bool *cached, enum reason *first)
{
    bool any = false;
    *matched = 0;
    *cached = true;
    *first = REASON_COUNT;
    for (unsigned i = 0; i < plan->count; i++) {
        const struct plan_piece *piece = &plan->piece[i];
        if (piece->rule >= 0)
            *matched |= 1u << piece->rule;
        *cached = *cached && piece->rule >= 0 && process.rules.rule[piece->rule].cached;
        if (piece->hindrance == REASON_COUNT)
            any = true;
        else if (*first == REASON_COUNT || *first == REASON_no_rule)
            *first = piece->hindrance;
    }
    return any;
}

/* Does the kernel's answer tell of the mappings at all? */
static bool is_about_mappings(enum reason reason)
{
    return reason != REASON_busy && reason != REASON_images && reason != REASON_seccomp &&
           reason != REASON_no_maps;
}

/* The piece's content at a position: NULL where it is zeroes. */
static const char *content_at(const struct plan *plan, unsigned i, uintptr_t start, uintptr_t position)
{
    const struct plan_piece *piece = &plan->piece[i];
    uintptr_t from = i ? plan->piece[i - 1].end : start;
    return piece->image.kind == IMAGE_NONE ? NULL : piece->image.view + piece->offset + (position - from);
}

/* Mappings may split and merge without being changed (madvise does it): where they end says nothing. */
static bool is_same_plan(const struct plan *a, const struct plan *b, uintptr_t start)
{
    uintptr_t position = start;
    unsigned i = 0, j = 0;
    while (i < a->count && j < b->count) {
        const struct plan_piece *one = &a->piece[i], *other = &b->piece[j];
        if (one->hindrance != other->hindrance || one->rule != other->rule ||
            content_at(a, i, start, position) != content_at(b, j, start, position))
            return false;
        position = one->end < other->end ? one->end : other->end;
        i += one->end == position;
        j += other->end == position;
    }
    return i == a->count && j == b->count;
}

/* mode=verify asks the kernel first. When what is cached is still believed after that, it should say the
 * same. */
static __attribute__((noinline)) bool breaks_promise(const struct plan_key *key, enum reason reason,
                                                     const struct plan *plan)
{
    struct plan cached;
    if (!is_about_mappings(reason) || !plan_cache_find(key, &cached))
        return false;
    return reason != REASON_COUNT || !is_same_plan(plan, &cached, key->start);
}

static enum reason ask_kernel(const struct call *call, int advice, struct plan *plan, uint32_t *matched)
{
    enum reason first, reason = ask_mappings(call, plan);
    if (reason != REASON_COUNT)
        return reason;
    if (!survey(plan, matched, &plan->promised, &first))
        return first;
    return ask_lock(call, advice);
}

enum reason plan_call(const struct call *call, int advice, struct plan *plan, uint32_t *matched)
{
    struct plan_key key = {call->start, call->end, call->callers, advice};
    bool remembers = process.rules.any_cached || !process.procmap,
         verifies = process.options.mode == MODE_VERIFY;
    enum reason first;
    *matched = 0;
    if (remembers && !verifies && plan_cache_find(&key, plan)) {
        survey(plan, matched, &plan->promised, &first);
        /* Before Linux 6.11 the mapping is remembered whatever the rule says; the lock is still asked for. */
        return plan->promised ? REASON_COUNT : ask_lock(call, advice);
    }
    uint64_t era = remembers ? plan_cache_era(&key) : 0;
    enum reason reason = ask_kernel(call, advice, plan, matched);
    if (remembers && verifies && breaks_promise(&key, reason, plan))
        verify_report_mapping(call);
    if (reason == REASON_COUNT && (plan->promised || plan->unconfirmed))
        plan_cache_remember(&key, era, plan);
    return reason;
}
