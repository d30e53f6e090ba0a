#include "shim/plan.h"

#include <errno.h>

#include "scan/call_path.h"
#include "scan/prim.h"
#include "scan/vma.h"
#include "shim/plan_cache.h"
#include "shim/state.h"
#include "shim/verify.h"

static uint32_t judge_file(char *path, bool *promised)
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
                              struct piece *piece, struct plan_answer *answer)
{
    bool anonymous = vma->inode == 0;
    enum reason hindrance = region_hindrance(vma);
    uint32_t files = 0;
    piece->end = vma->end < call->end ? vma->end : call->end;
    piece->offset = vma->offset + (position - vma->start);
    piece->image = (struct image){.kind = IMAGE_NONE};
    if (!anonymous && hindrance == REASON_COUNT) {
        if (!process.procmap)
            hindrance = REASON_no_maps;
        else if (!image_find(vma, &piece->image)) {
            int error = image_register(process.files.maps, vma, judge_file, &piece->image);
            if (error)
                return error == -EBUSY ? REASON_busy : REASON_images;
        }
        files = image_tags(&piece->image);
    }
    int rule = region_match(&process.rules, call, anonymous, files, position, &piece->end);
    if (rule < 0)
        hindrance = REASON_no_rule;
    else if (!anonymous && hindrance == REASON_COUNT)
        hindrance = image_hindrance(&piece->image, rule);
    *answer = (struct plan_answer){(uint8_t)hindrance, (int8_t)rule};
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
            unsigned i = plan->count;
            enum reason reason = plan_piece(call, &vma, position, &plan->piece[i], &plan->answer[i]);
            if (reason != REASON_COUNT)
                return reason;
            position = plan->piece[i].end;
            plan->count++;
        }
    }
    return REASON_COUNT;
}

static enum reason ask_lock(uintptr_t start, uintptr_t end, int advice)
{
    if (advice == ADVICE_DONTNEED_LOCKED)
        return REASON_COUNT;
    switch (vma_check_unlocked(start, end - start)) {
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

/* Notes which rules matched, and whether all of them are vma=cache. Can any piece be served? */
static bool survey(struct plan *plan, enum reason *first)
{
    bool any = false;
    plan->promised = true;
    *first = REASON_COUNT;
    for (unsigned i = 0; i < plan->count; i++) {
        const struct plan_answer *answer = &plan->answer[i];
        if (answer->rule >= 0)
            plan->matched |= 1u << answer->rule;
        plan->promised = plan->promised && answer->rule >= 0 && process.rules.rule[answer->rule].cached;
        if (answer->hindrance == REASON_COUNT)
            any = true;
        else if (*first == REASON_COUNT || *first == REASON_no_rule)
            *first = (enum reason)answer->hindrance;
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
    const struct piece *piece = &plan->piece[i];
    uintptr_t from = i ? plan->piece[i - 1].end : start;
    return piece_is_anonymous(piece) ? NULL : piece->image.view + piece->offset + (position - from);
}

/* Mappings may split and merge without being changed (madvise does it): where they end says nothing. */
static bool is_same_plan(const struct plan *a, const struct plan *b, uintptr_t start)
{
    uintptr_t position = start;
    unsigned i = 0, j = 0;
    while (i < a->count && j < b->count) {
        const struct piece *one = &a->piece[i], *other = &b->piece[j];
        if (a->answer[i].hindrance != b->answer[j].hindrance || a->answer[i].rule != b->answer[j].rule ||
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
    if (!is_about_mappings(reason) || !plan_cache_find(key, &cached) || !cached.promised)
        return false;
    return reason != REASON_COUNT || !is_same_plan(plan, &cached, key->start);
}

static enum reason ask_about(const struct call *call, int advice, struct plan *plan)
{
    plan->matched = 0;
    plan->cached = false;
    plan->steady = STEADY_NOT;
    enum reason first, reason = ask_mappings(call, plan);
    if (reason != REASON_COUNT)
        return reason;
    if (!survey(plan, &first))
        return first;
    return ask_lock(call->start, call->end, advice);
}

/* In a frame of its own: mostly the cache answers, and the caller's is deep already. */
static __attribute__((noinline)) enum reason ask_kernel(const struct call *call, const struct plan_key *key,
                                                        bool remembers, struct plan *plan)
{
    uint64_t era = plan_cache_era(key);
    plan->era = era;
    enum reason reason = ask_about(call, key->advice, plan);
    if (remembers && process.options.mode == MODE_VERIFY && breaks_promise(key, reason, plan))
        verify_report_mapping(call);
    if (reason == REASON_COUNT && (plan->promised || plan->unconfirmed))
        plan_cache_remember(key, era, plan);
    return reason;
}

INLINED enum reason plan_call(const struct call *call, int advice, struct plan *plan)
{
    struct plan_key key = plan_key_of(call, advice);
    bool remembers = process.rules.any_cached || !process.procmap;
    if (remembers && likely(process.options.mode != MODE_VERIFY) && likely(plan_cache_find(&key, plan)) &&
        likely(plan->promised || plan->unconfirmed))
        /* Before Linux 6.11 the mapping is remembered whatever the rule says; the lock is still asked for. */
        return likely(plan->promised) ? REASON_COUNT : ask_lock(call->start, call->end, advice);
    return ask_kernel(call, &key, remembers, plan);
}

static bool piece_stands_at(const struct piece *piece, uintptr_t start, struct vma *vma)
{
    struct image image;
    if (vma_query(process.files.maps, start, vma) || region_hindrance(vma) != REASON_COUNT)
        return false;
    if (vma->inode == 0)
        return piece_is_anonymous(piece);
    return image_find(vma, &image) && piece->image.kind == image.kind && piece->image.slot == image.slot &&
           piece->image.generation == image.generation && piece->offset == vma->offset + (start - vma->start);
}

/* In a frame of its own, which a call of a promised plan does not pay for. */
__attribute__((noinline)) bool plan_stands(uintptr_t start, int advice, const struct piece *piece,
                                           unsigned count)
{
    uintptr_t position = start;
    for (unsigned i = 0; i < count; position = piece[i++].end) {
        struct vma vma;
        if (unlikely(!piece_stands_at(&piece[i], position, &vma) || vma.end < piece[i].end))
            return false;
    }
    return ask_lock(start, position, advice) == REASON_COUNT;
}

__attribute__((cold)) void plan_trim(struct plan *plan, uintptr_t end)
{
    unsigned last = 0;
    while (plan->piece[last].end < end)
        last++;
    plan->piece[last].end = end;
    plan->count = last + 1;
}

__attribute__((cold)) void plan_cut(struct plan *plan, uintptr_t start, uintptr_t from, uintptr_t to)
{
    unsigned i = 0;
    while (i < plan->count && plan->piece[i].end <= from)
        start = plan->piece[i++].end;
    unsigned gap = from > start ? i + 1 : i, more = gap + 1 - i;
    if (i == plan->count || to >= plan->piece[i].end || plan->count + more > PLAN_PIECES)
        return;
    for (unsigned last = plan->count; last-- > i;) {
        plan->piece[last + more] = plan->piece[last];
        plan->answer[last + more] = plan->answer[last];
    }
    plan->piece[i].end = from;
    plan->piece[gap].end = to;
    plan->answer[gap] = (struct plan_answer){REASON_policy, plan->answer[i].rule};
    plan->piece[gap + 1].offset += to - start;
    plan->count += more;
}
