#include "shim/region.h"

#include <string.h>

#include "scan/prim.h"
#include "shim/glob.h"

void region_normalise(char *path)
{
    static const char memfd[] = "/memfd:", deleted[] = " (deleted)";
    size_t length = strlen(path), tail = sizeof deleted - 1;
    if (length > tail && strcmp(path + length - tail, deleted) == 0)
        path[length - tail] = 0;
    if (strncmp(path, memfd, sizeof memfd - 1) == 0)
        memmove(path, path + 1, strlen(path));
}

uint32_t region_file_matches(const struct rules *rules, const char *path)
{
    uint32_t matches = 0;
    for (unsigned i = 0; i < rules->count; i++)
        if (rules->rule[i].file && glob_matches(rules->rule[i].file, path))
            matches |= 1u << i;
    return matches;
}

uint32_t region_caller_matches(const struct rules *rules, const char *path)
{
    uint32_t matches = 0;
    for (unsigned i = 0; i < rules->count; i++)
        if (rules->rule[i].caller && glob_matches_path(rules->rule[i].caller, path))
            matches |= 1u << i;
    return matches;
}

static bool allows_call(const struct rules *rules, unsigned i, const struct call *call)
{
    const struct rule *rule = &rules->rule[i];
    uint64_t length = call->end - call->start;
    return rule->min <= length && length <= rule->max && (!rule->caller || call->callers >> i & 1);
}

bool region_may_match(const struct rules *rules, const struct call *call)
{
    for (unsigned i = 0; i < rules->count; i++)
        if (allows_call(rules, i, call) && rules->rule[i].start < call->end &&
            call->start < rules->rule[i].end)
            return true;
    return false;
}

static bool allows_mapping(const struct rules *rules, unsigned i, bool anonymous, uint32_t files)
{
    const struct rule *rule = &rules->rule[i];
    return (!rule->anonymous || anonymous) && (!rule->file || files >> i & 1);
}

int region_match(const struct rules *rules, const struct call *call, bool anonymous, uint32_t files,
                 uintptr_t position, uintptr_t *end)
{
    for (unsigned i = 0; i < rules->count; i++) {
        const struct rule *rule = &rules->rule[i];
        if (!allows_call(rules, i, call) || !allows_mapping(rules, i, anonymous, files))
            continue;
        /* The answer changes at the next edge of any range, of a rule that matches or is passed over. */
        if (position < rule->start && rule->start < *end)
            *end = rule->start;
        if (position < rule->end && rule->end < *end)
            *end = rule->end;
        if (rule->start <= position && position < rule->end)
            return (int)i;
    }
    return -1;
}

uint32_t region_promises(const struct rules *rules, uint32_t files)
{
    uint32_t promises = 0;
    for (unsigned i = 0; i < rules->count; i++)
        if (rules->rule[i].stable && allows_mapping(rules, i, false, files))
            promises |= 1u << i;
    return promises;
}

enum reason region_hindrance(const struct vma *vma)
{
    const uint32_t needed = VMA_READABLE | VMA_WRITABLE;
    if (vma->page_size != PAGE)
        return REASON_hugetlb;
    if (vma->flags & VMA_SHARED)
        return REASON_shared;
    if ((vma->flags & needed) != needed)
        return REASON_protection;
    return REASON_COUNT;
}
