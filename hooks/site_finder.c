/* How a site is found
 *
 *      start ──> flow: every instruction that direct branches and falling through lead to (marks)
 *                  │
 *      mov $28,%eax│        5 to 7 bytes: these, and only these, become  jmp thunk
 *      add $64,%rdi│        stays where it is; a copy runs in the thunk before the decision
 *      syscall     │        stays: a thunk that declines jumps here, and so may anyone else
 *
 * A branch to the mov takes the jump, a branch to what is between or to the syscall itself runs the untouched
 * originals: all are correct calls. Where something in between cannot be copied, a branch say, the jump takes
 * the place of a later instruction of that length: the number is in rax by then. Only a branch into the
 * middle of an instruction would see torn bytes: target_inside.
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
    /* How many ways from a mov are walked. */
    WAYS_MOST = 8,
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
    bool is_short = p[0] == 0xb8;                                  /* gcc, clang, rustc */
    bool is_long = left >= 3 && memcmp(p, "\x48\xc7\xc0", 3) == 0; /* Go's assembler */
    uint8_t length = is_short ? 5 : SITE_MOV_LONGEST;
    if ((!is_short && !is_long) || left < length)
        return 0;
    memcpy(&constant, p + length - sizeof constant, sizeof constant);
    *number = (uint16_t)constant;
    return site_number_find(constant, v->calls) ? length : 0;
}

/* Two movs that lead to one syscall, or two ways from one mov: what is patched later takes both. */
static bool is_known(struct view *v, const struct site *site)
{
    for (size_t i = 0; i < v->count && i < v->most; i++) {
        struct site *known = &v->sites[i];
        bool both = known->reason == SITE_patchable && site->reason == SITE_patchable;
        if (known->syscall != site->syscall || (known->mov != site->mov && !both))
            continue;
        if (known->mov < site->mov)
            *known = *site;
        return true;
    }
    return false;
}

static void report(struct view *v, struct site site)
{
    if (is_known(v, &site))
        return;
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

/* A way on from a mov. The first follows on from it; each branch begins another. */
struct way {
    uint32_t at;
    uint8_t between; /* instructions before it */
    uint8_t reason;
};

struct ways {
    struct way way[WAYS_MOST];
    unsigned count;
};

static void add_way(struct ways *ways, struct way way)
{
    for (unsigned i = 0; i < ways->count; i++)
        if (ways->way[i].at == way.at)
            return;
    if (ways->count < WAYS_MOST)
        ways->way[ways->count++] = way;
}

/* One step of walk over an instruction that is no syscall: false when the mov's value ends there. */
static bool step(const struct view *v, struct way *way, const struct insn *insn, struct ways *ways)
{
    if (insn->kind == INSN_STOP || insn->kind == INSN_CALL || insn->constant_into == INSN_RAX ||
        insn->rax_loaded || insn->rax_copied_from != INSN_NO_REGISTER)
        return false;
    if (way->reason == SITE_patchable)
        way->reason = (uint8_t)why_fixed(insn);
    int64_t to = (int64_t)way->at + insn->target;
    bool within = insn->direct && to >= 0 && to < (int64_t)v->size;
    if (insn->kind == INSN_JUMP && !within)
        return false;
    way->between++;
    if (insn->kind == INSN_BRANCH && within)
        add_way(ways, (struct way){(uint32_t)to, way->between, way->reason});
    way->at = insn->kind == INSN_JUMP ? (uint32_t)to : way->at + insn->length;
    return true;
}

/* The last instruction on a way that could become the jump, with nothing after it that cannot be copied. */
struct late {
    uint32_t at; /* v->size: none */
    uint8_t length, before;
};

static void note_late(const struct view *v, struct late *late, const struct way *way, const struct insn *insn)
{
    if (why_fixed(insn) != SITE_patchable)
        late->at = v->size;
    else if (insn->length >= SITE_MOV_SHORTEST && insn->length <= SITE_MOV_LONGEST)
        *late = (struct late){way->at, insn->length, way->between};
}

static bool is_far(const struct site *site)
{
    return site->between > SITE_BETWEEN_MOST ||
           site->syscall - site->mov - site->mov_length > SITE_BETWEEN_BYTES;
}

/* What is known of a site whose syscall was reached. */
static void settle(const struct view *v, struct site *site, const struct late *late, bool is_plain)
{
    if (site->reason == SITE_patchable && is_far(site))
        site->reason = SITE_distance;
    bool helps = site->reason == SITE_branch || site->reason == SITE_stack ||
                 site->reason == SITE_rip_relative || site->reason == SITE_endbr ||
                 site->reason == SITE_instruction || site->reason == SITE_distance;
    if (helps && late->at != v->size && late->at != site->mov) {
        site->mov = late->at;
        site->mov_length = late->length;
        site->between = (uint8_t)(site->between - late->before - 1);
        site->reason = is_far(site) ? SITE_distance : SITE_patchable;
    }
    if (site->reason == SITE_patchable && !is_plain)
        site->reason = SITE_encoding; /* prefixed: seen in no build */
}

/* Walks to the syscall. False when the mov's value does not get to one this way: no site. */
static bool walk(const struct view *v, struct site *site, struct way way, struct ways *ways)
{
    struct late late = {.at = v->size};
    while (way.between <= TRACE_MOST) {
        struct insn insn;
        int error = way.at < v->size ? insn_decode(v->code + way.at, v->size - way.at, &insn) : -2;
        site->syscall = way.at;
        site->between = way.between;
        site->reason = way.reason;
        if (error) { /* with no ret or jump on the way, the path does go on behind the end */
            site->reason = error == -2 ? SITE_end : SITE_undecodable;
            return true;
        }
        if (insn.kind == INSN_SYSCALL) {
            settle(v, site, &late, insn.length == 2);
            return true;
        }
        note_late(v, &late, &way, &insn);
        if (!step(v, &way, &insn, ways))
            return false;
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

/* A site that a mov leads to, judged by what flow says of the place. */
static void judge(struct view *v, struct site site)
{
    bool reached = v->marks[site.mov] & MARK_START;
    if (!reached &&
        (v->marks[site.mov] & MARK_INSIDE || site.reason == SITE_end || site.reason == SITE_undecodable))
        return; /* another instruction's bytes (41 b8 1c.. is mov $28,%r8d), or just data */
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

static void find_movs(struct view *v)
{
    for (uint32_t at = 0; at < v->size; at++) {
        struct site mov = {.mov = at};
        if (v->code[at] != 0xb8 && v->code[at] != 0x48)
            continue;
        mov.mov_length = mov_at(v, at, &mov.number);
        if (mov.mov_length == 0)
            continue;
        struct ways ways = {.way = {{at + mov.mov_length, 0, SITE_patchable}}, .count = 1};
        for (unsigned i = 0; i < ways.count; i++) {
            struct site site = mov;
            if (walk(v, &site, ways.way[i], &ways))
                judge(v, site);
        }
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
    struct view v = {
        .calls = calls, .code = code, .size = size, .marks = marks, .sites = sites, .most = most};
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
