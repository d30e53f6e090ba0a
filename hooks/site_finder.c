/* How a site is found
 *
 *      start ──> flow: every instruction that direct branches and falling through lead to (marks)
 *                  │
 *      mov $28,%eax│        5 or 7 bytes: these, and only these, become  jmp thunk
 *      add $64,%rdi│        stays where it is; a copy runs in the thunk before the decision
 *      syscall     │        stays: a thunk that declines jumps here, and so may anyone else
 *
 * A branch to the mov takes the jump, a branch to what is between or to the syscall itself runs the untouched
 * originals: all are correct calls. Only a branch into the middle of an instruction would see torn bytes:
 * target_inside.
 */
#include "hooks/site_finder.h"

#include <stdbool.h>
#include <string.h>

#include "hooks/decode.h"

enum {
    MARK_START = 1,   /* an instruction that is reached begins here */
    MARK_INSIDE = 2,  /* a later byte of one */
    MARK_PENDING = 4, /* reached, not followed yet */
    MARK_TARGET = 8,  /* a branch or the caller names this place */
    MARK_KNOWN = 16,  /* a syscall that was reported */

    /* Scanning for pending marks may take this many times the size, so that no input makes the search
       quadratic. */
    SCAN_FACTOR = 64,
    /* How far back a number is traced, in instructions. */
    TRACE_MOST = 24,
};

struct view {
    enum site_calls calls;
    const uint8_t *code;
    uint32_t size;
    uint8_t *marks;
    uint32_t lowest_pending;
    bool undecodable; /* a path ran into bytes that are no instruction */
    bool complex;
    struct site *sites;
    size_t most;
    size_t count;
};

static void want(struct view *v, int64_t offset)
{
    if (offset < 0 || offset >= (int64_t)v->size)
        return;
    uint8_t *mark = &v->marks[offset];
    *mark |= MARK_TARGET;
    if (*mark & (MARK_START | MARK_PENDING))
        return;
    *mark |= MARK_PENDING;
    if (offset < v->lowest_pending)
        v->lowest_pending = (uint32_t)offset;
}

/* Marks instructions from `at` on, until one that was marked before or after which execution does not go on.
 */
static void follow(struct view *v, uint32_t at)
{
    v->marks[at] &= (uint8_t)~MARK_PENDING;
    while (at < v->size && !(v->marks[at] & MARK_START)) {
        struct insn insn;
        if (insn_flow(v->code + at, v->size - at, &insn) < 0) {
            v->undecodable = true;
            return;
        }
        v->marks[at] = (uint8_t)((v->marks[at] | MARK_START) & ~MARK_PENDING);
        for (unsigned i = 1; i < insn.length; i++)
            v->marks[at + i] |= MARK_INSIDE;
        if (insn.direct)
            want(v, (int64_t)at + insn.target);
        if (insn.kind == INSN_JUMP || insn.kind == INSN_STOP)
            return;
        at += insn.length;
    }
}

static void flow(struct view *v, const uint32_t *targets, size_t target_count)
{
    memset(v->marks, 0, v->size);
    v->lowest_pending = v->size;
    want(v, 0);
    for (size_t i = 0; i < target_count; i++)
        want(v, targets[i]);
    uint64_t budget = (uint64_t)v->size * SCAN_FACTOR;
    while (v->lowest_pending < v->size) {
        uint32_t at = v->lowest_pending;
        v->lowest_pending = v->size;
        for (; at < v->size && at < v->lowest_pending; at++, budget--) {
            if (budget == 0) {
                v->complex = true;
                return;
            }
            if (v->marks[at] & MARK_PENDING)
                follow(v, at);
        }
    }
}

/* The two encodings that are replaced; 0 if the bytes at `at` are neither. */
static uint8_t mov_at(const struct view *v, uint32_t at, uint16_t *number)
{
    const uint8_t *p = v->code + at;
    uint32_t left = v->size - at, constant;
    bool is_short = p[0] == 0xb8;                                            /* gcc, clang, rustc */
    bool is_long = left >= 3 && memcmp(p, "\x48\xc7\xc0", 3) == 0; /* Go's assembler */
    uint8_t length = is_short ? 5 : SITE_MOV_LONGEST;
    if ((!is_short && !is_long) || left < length)
        return 0;
    memcpy(&constant, p + length - sizeof constant, sizeof constant);
    *number = (uint16_t)constant;
    return site_number_find(constant, v->calls) ? length : 0;
}

static void report(struct view *v, struct site site)
{
    size_t i = v->count < v->most ? v->count : v->most;
    v->count++;
    if (site.syscall < v->size)
        v->marks[site.syscall] |= MARK_KNOWN;
    while (i > 0 && v->sites[i - 1].syscall > site.syscall) { /* keep them ordered; they come nearly so */
        if (i < v->most)
            v->sites[i] = v->sites[i - 1];
        i--;
    }
    if (i < v->most)
        v->sites[i] = site;
}

static enum site_reason why_fixed(const struct insn *insn)
{
    if (insn->kind == INSN_ENDBR)
        return SITE_endbr;
    if (insn->kind == INSN_STACK)
        return SITE_stack;
    if (insn->kind == INSN_JUMP || insn->kind == INSN_BRANCH)
        return SITE_branch;
    if (insn->rip_relative)
        return SITE_rip_relative;
    if (insn->kind != INSN_PLAIN)
        return SITE_instruction;
    return insn->writes_rax ? SITE_changed : SITE_patchable;
}

/* One step of walk over an instruction that is no syscall: false when the mov's value ends there. `*other`
   becomes the second way out of a conditional branch. */
static bool step(const struct view *v, struct site *site, const struct insn *insn, uint32_t *at,
                 uint32_t *other)
{
    if (insn->kind == INSN_STOP || insn->kind == INSN_CALL || insn->constant_into == INSN_RAX ||
        insn->rax_copied_from != INSN_NO_REGISTER)
        return false;
    if (site->reason == SITE_patchable)
        site->reason = (uint8_t)why_fixed(insn);
    int64_t to = (int64_t)*at + insn->target;
    bool within = insn->direct && to >= 0 && to < (int64_t)v->size;
    if (insn->kind == INSN_JUMP && !within)
        return false;
    if (insn->kind == INSN_BRANCH && within)
        *other = (uint32_t)to;
    *at = insn->kind == INSN_JUMP ? (uint32_t)to : *at + insn->length;
    return true;
}

/* Walks from the end of a mov to its syscall. False when this mov's value does not get to one: no site. */
static bool walk(const struct view *v, struct site *site)
{
    uint32_t at = site->mov + site->mov_length;
    uint32_t other = v->size;
    site->reason = SITE_patchable;
    for (unsigned n = 0; n <= TRACE_MOST; n++) {
        struct insn insn;
        int error = at < v->size ? insn_decode(v->code + at, v->size - at, &insn) : -2;
        site->syscall = at;
        site->between = (uint8_t)n;
        if (error) { /* with no ret or jump on the way, the path does go on behind the end */
            site->reason = error == -2 ? SITE_end : SITE_undecodable;
            return true;
        }
        if (insn.kind == INSN_SYSCALL) {
            bool far = n > SITE_BETWEEN_MOST || at - site->mov - site->mov_length > SITE_BETWEEN_BYTES;
            if (site->reason == SITE_patchable && far)
                site->reason = SITE_distance;
            if (site->reason == SITE_patchable && insn.length != 2)
                site->reason = SITE_encoding; /* prefixed: seen in no build */
            return true;
        }
        if (step(v, site, &insn, &at, &other))
            continue;
        if (other == v->size)
            return false;
        at = other; /* this way it ends, but a branch went another */
        n--;
        other = v->size;
    }
    return false;
}

/* Does an instruction begin, or a branch land, inside one of the instructions from mov to syscall? */
static bool torn(const struct view *v, const struct site *site)
{
    uint32_t at = site->mov;
    while (at < site->syscall + 2) {
        struct insn insn;
        if (insn_flow(v->code + at, v->size - at, &insn) < 0)
            return true;
        for (unsigned i = 1; i < insn.length; i++)
            if (v->marks[at + i] & (MARK_START | MARK_TARGET))
                return true;
        if (v->marks[at] & MARK_INSIDE)
            return true;
        at += insn.length;
    }
    return false;
}

static void find_movs(struct view *v)
{
    for (uint32_t at = 0; at < v->size; at++) {
        struct site site = {.mov = at};
        if (v->code[at] != 0xb8 && v->code[at] != 0x48)
            continue;
        site.mov_length = mov_at(v, at, &site.number);
        if (site.mov_length == 0 || !walk(v, &site))
            continue;
        bool reached = v->marks[at] & MARK_START;
        if (!reached &&
            (v->marks[at] & MARK_INSIDE || site.reason == SITE_end || site.reason == SITE_undecodable))
            continue; /* another instruction's bytes (41 b8 1c.. is mov $28,%r8d), or just data */
        if (v->complex)
            site.reason = SITE_complex;
        else if (!reached)
            site.reason = SITE_unreached;
        else if (site.reason == SITE_patchable && torn(v, &site))
            site.reason = SITE_target_inside;
        else if (site.reason == SITE_patchable && v->undecodable)
            site.reason = SITE_undecodable;
        report(v, site);
    }
}

/* The reached instruction that ends where the one at `at` begins. */
static bool previous(const struct view *v, uint32_t at, uint32_t *before, struct insn *insn)
{
    for (uint32_t back = 1; back <= 15 && back <= at; back++) {
        if (!(v->marks[at - back] & MARK_START))
            continue;
        *before = at - back;
        return insn_decode(v->code + *before, v->size - *before, insn) == 0 && insn->length == back;
    }
    return false;
}

/* push $28; pop %rax: three bytes, as hand-written code likes it. The number, or one of no call. */
static uint8_t pushed_number(const struct view *v, uint32_t pop)
{
    bool pushed = v->code[pop] == 0x58 && pop >= 2 && v->code[pop - 2] == 0x6a;
    return pushed ? v->code[pop - 1] : UINT8_MAX;
}

/* Traces the number of a syscall that no plain mov leads to, back to where it is set. */
static void trace(struct view *v, uint32_t syscall)
{
    struct site site = {.syscall = syscall};
    int8_t wanted = INSN_RAX;
    struct insn insn;
    for (uint32_t at = syscall, before; site.between < TRACE_MOST; site.between++, at = before) {
        if (!previous(v, at, &before, &insn) || insn.kind == INSN_JUMP || insn.kind == INSN_STOP ||
            insn.kind == INSN_SYSCALL)
            return;
        uint8_t pushed = wanted == INSN_RAX ? pushed_number(v, before) : UINT8_MAX;
        if (pushed <= INT8_MAX) {
            insn.constant_into = INSN_RAX;
            insn.constant = pushed;
        }
        if (insn.constant_into == wanted) {
            if (!site_number_find(insn.constant, v->calls))
                return;
            site.mov = before;
            site.mov_length = insn.length;
            site.number = (uint16_t)insn.constant;
            site.reason = wanted == INSN_RAX ? SITE_encoding : SITE_register;
            report(v, site);
            return;
        }
        if (wanted == INSN_RAX && insn.rax_copied_from != INSN_NO_REGISTER)
            wanted = insn.rax_copied_from;
        else if (wanted == INSN_RAX && (insn.writes_rax || insn.kind == INSN_CALL))
            return;
    }
}

static void find_others(struct view *v)
{
    for (uint32_t at = 0; at + 1 < v->size; at++) {
        bool is_syscall = v->code[at] == 0x0f && v->code[at + 1] == 0x05;
        if (is_syscall && (v->marks[at] & (MARK_START | MARK_KNOWN)) == MARK_START)
            trace(v, at);
    }
}

size_t site_find(enum site_calls calls, const uint8_t *code, uint32_t size, const uint32_t *targets,
                 size_t target_count, uint8_t *marks, struct site *sites, size_t most)
{
    struct view v = {.calls = calls, .code = code, .size = size, .marks = marks, .sites = sites, .most = most};
    if (size == 0)
        return 0;
    flow(&v, targets, target_count);
    find_movs(&v);
    find_others(&v);
    return v.count;
}

static const char *const names[] = {
#define REASON(name, text) #name,
    SITE_REASONS(REASON)
#undef REASON
};

static const char *const texts[] = {
#define REASON(name, text) text,
    SITE_REASONS(REASON)
#undef REASON
};

const char *site_reason_name(unsigned reason)
{
    return reason < SITE_REASON_COUNT ? names[reason] : "?";
}

const char *site_reason_text(unsigned reason)
{
    return reason < SITE_REASON_COUNT ? texts[reason] : "?";
}
