#include "shim/region.h"

#include "test/unit/unit.h"

static int match(const char *settings, bool anonymous, const char *path, uintptr_t position, uintptr_t *end)
{
    struct rules *rules = &parse_rules(settings)->rules;
    struct call call = {
        .start = 0x10000, .end = 0x90000, .callers = region_caller_matches(rules, "/usr/lib/libx.so.1")};
    *end = call.end;
    return region_match(rules, &call, anonymous, path ? region_file_matches(rules, path) : 0, position, end);
}

static int match_anonymous(const char *settings)
{
    uintptr_t end;
    return match(settings, true, NULL, 0x10000, &end);
}

static int match_file(const char *settings, const char *path)
{
    uintptr_t end;
    return match(settings, false, path, 0x10000, &end);
}

Test(region, first_rule_wins)
{
    cr_assert_eq(match_anonymous("any;anon"), 0);
    cr_assert_eq(match_anonymous("file=*;anon;any"), 1);
    cr_assert_eq(match_file("anon;file=/x;file=*;any", "/y"), 2);
    cr_assert_eq(match_anonymous("file=*"), -1);
    cr_assert_eq(match_file("anon", "/y"), -1);
    cr_assert_eq(match_anonymous(""), -1);
}

Test(region, selectors_are_anded)
{
    cr_assert_eq(match_anonymous("anon,min=512K,max=512K"), 0);
    cr_assert_eq(match_anonymous("anon,min=513K"), -1);
    cr_assert_eq(match_anonymous("anon,max=511K"), -1);
    cr_assert_eq(match_anonymous("caller=libx*"), 0);
    cr_assert_eq(match_anonymous("caller=/usr/lib/*"), 0);
    cr_assert_eq(match_anonymous("caller=liby*;any"), 1);
    cr_assert_eq(match_anonymous("anon,file=*"), -1);
    cr_assert_eq(match_file("anon,file=*", "/x"), -1);
}

Test(region, ranges_cut_pieces)
{
    uintptr_t end;
    const char *settings = "range=20000-30000,keep=1;range=50000-60000;file=*;range=58000-70000";
    cr_assert(match(settings, true, NULL, 0x10000, &end) == -1 && end == 0x20000);
    cr_assert(match(settings, true, NULL, 0x20000, &end) == 0 && end == 0x30000);
    cr_assert(match(settings, true, NULL, 0x30000, &end) == -1 && end == 0x50000);
    cr_assert(match(settings, true, NULL, 0x50000, &end) == 1 && end == 0x60000);
    cr_assert(match(settings, true, NULL, 0x60000, &end) == 3 && end == 0x70000);
    cr_assert(match(settings, true, NULL, 0x70000, &end) == -1 && end == 0x90000);
    /* A rule that comes first cuts one that comes later, even where it does not match yet. */
    cr_assert(match("range=20000-30000;any", true, NULL, 0x10000, &end) == 1 && end == 0x20000);
    cr_assert(match("any;range=20000-30000", true, NULL, 0x10000, &end) == 0 && end == 0x90000);
}

/* Against a slow oracle: rule by rule, page by page. */
Test(region, pieces_agree_with_single_pages)
{
    const char *settings = "range=12000-15000,anon;range=14000-80000,max=1K;range=1f000-21000;"
                           "range=10000-11000,file=*;range=20000-8f000,min=4K;file=/x";
    for (int anonymous = 0; anonymous < 2; anonymous++)
        for (uintptr_t start = 0x10000; start < 0x90000; start += 0x1000) {
            uintptr_t end, ignored;
            int rule = match(settings, anonymous, anonymous ? NULL : "/x", start, &end);
            cr_assert(end > start && end <= 0x90000);
            for (uintptr_t at = start; at < end; at += 0x1000)
                cr_assert_eq(match(settings, anonymous, anonymous ? NULL : "/x", at, &ignored), rule);
        }
}

Test(region, may_match)
{
    static const struct {
        const char *settings;
        bool may;
    } rows[] = {
        {"any", true},
        {"", false},
        {"min=1M", false},
        {"max=4K", false},
        {"range=0-10000", false},
        {"range=90000-a0000", false},
        {"range=0-11000", true},
        {"range=8f000-a0000", true},
        {"caller=no", false},
        {"file=*", true},
        {"min=1M;anon", true},
    };
    struct call call = {.start = 0x10000, .end = 0x90000, .callers = 0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_eq(region_may_match(&parse_rules(rows[i].settings)->rules, &call), rows[i].may, "%s",
                     rows[i].settings);
}

Test(region, normalises_paths)
{
    static const char *const rows[][2] = {
        {"/memfd:name (deleted)", "memfd:name"},
        {"/memfd:name", "memfd:name"},
        {"/x/y (deleted)", "/x/y"},
        {"/x/y", "/x/y"},
        {" (deleted)", " (deleted)"},
        {"", ""},
        {"/x/memfd:y", "/x/memfd:y"},
        {"/memfd: (deleted)", "memfd:"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[64];
        region_normalise(strcpy(path, rows[i][0]));
        cr_assert_str_eq(path, rows[i][1]);
    }
}

Test(region, promises)
{
    struct rules *rules =
        &parse_rules("file=/x,image=stable;file=/y;image=stable,anon;image=stable,any")->rules;
    cr_assert_eq(region_promises(rules, region_file_matches(rules, "/x")), 1 | 8);
    cr_assert_eq(region_promises(rules, region_file_matches(rules, "/y")), 8);
}

Test(region, hindrances)
{
    struct vma vma = {.flags = VMA_READABLE | VMA_WRITABLE, .page_size = 4096};
    cr_assert_eq(region_hindrance(&vma), REASON_COUNT);
    vma.flags |= VMA_EXECUTABLE;
    cr_assert_eq(region_hindrance(&vma), REASON_COUNT);
    vma.flags |= VMA_SHARED;
    cr_assert_eq(region_hindrance(&vma), REASON_shared);
    vma.flags = VMA_READABLE;
    cr_assert_eq(region_hindrance(&vma), REASON_protection);
    vma.flags = VMA_WRITABLE;
    cr_assert_eq(region_hindrance(&vma), REASON_protection);
    vma.flags = 0;
    cr_assert_eq(region_hindrance(&vma), REASON_protection);
    vma.page_size = 2 << 20;
    cr_assert_eq(region_hindrance(&vma), REASON_hugetlb);
}
