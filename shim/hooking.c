#include "shim/hooking.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "shim/glob.h"
#include "shim/madvise.h"
#include "shim/message.h"
#include "shim/next.h"
#include "shim/plan_cache.h"
#include "shim/probe.h"
#include "shim/site_call.h"
#include "shim/sites.h"
#include "shim/state.h"

_Static_assert((int)HOOK_GOT == HOOKS_GOT && (int)HOOK_INLINE == HOOKS_INLINE && (int)HOOK_LIBC == HOOKS_LIBC,
               "one set of bits");

enum { PATH_MOST = 4096 };

uint8_t hooking_active;

static struct {
    hooks_look_again_function *look_again;
    hooks_symbol_function *symbol;
    bool unguarded; /* some mapping call of a hooked object is not seen */
} state;

static bool is_wanted(const char *path)
{
    const char *objects = process.options.objects;
    return !objects[0] || glob_matches_path(objects, path);
}

/* ---- symbol= ---- */

/* Readers see a rule's start before its end, and until then an empty range. */
static void set_range(struct rule *rule, uint64_t start, uint64_t end)
{
    start = (start + PAGE - 1) & -(uint64_t)PAGE;
    end &= -(uint64_t)PAGE;
    start = start > rule->limit_start ? start : rule->limit_start;
    end = end < rule->limit_end ? end : rule->limit_end;
    __atomic_store_n(&rule->start, start, __ATOMIC_RELEASE);
    __atomic_store_n(&rule->end, end > start ? end : start, __ATOMIC_RELEASE);
}

static void resolve_symbols(void)
{
    for (unsigned i = 0; i < process.rules.count; i++) {
        struct rule *rule = &process.rules.rule[i];
        uint64_t start, end;
        if (rule->symbol && !rule->end && state.symbol(rule->symbol, rule->object, &start, &end)) {
            set_range(rule, start, end);
            plan_cache_forget_all(); /* what is cached was matched without it */
        }
    }
}

/* ---- vma=cache ---- */

/* The user's own vma=cache is a promise that stands; a preset's is not. */
static void trust_presets(bool guarded)
{
    rules_trust_presets(&process.rules, guarded);
    plan_cache_forget_all();
}

static void note_left(const struct hooks_unpatched *place)
{
    sites_note_left(place);
    if (!place->maps)
        return;
    message(LOG_INFO, "vma=cache: ", place->call ? place->call : "mapping", " calls of ", place->path,
            " may go unseen: ", place->text, NULL);
    if (!state.unguarded)
        message(LOG_INFO, "vma=cache: presets ask the kernel each time (vma=check)", NULL);
    state.unguarded = true;
    if (hooking_active)
        trust_presets(false);
}

/* ---- loading it ---- */

static void *open_at(const char *directory, size_t length, const char *name)
{
    char path[PATH_MOST];
    struct text text;
    text_start(&text, path, sizeof path);
    text_add_span(&text, directory, length);
    text_add(&text, name);
    return text.full ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

/* Beside the library: in keepwarm/ where it is installed, in the same folder where it was built. */
static void *open_hooks(void)
{
    Dl_info info;
    if (!dladdr((void *)(uintptr_t)hooking_start, &info) || !info.dli_fname)
        return NULL;
    const char *slash = strrchr(info.dli_fname, '/');
    size_t length = slash ? (size_t)(slash - info.dli_fname) + 1 : 0;
    const char *directory = slash ? info.dli_fname : "";
    void *handle = open_at(directory, length, "keepwarm/hooks.so");
    return handle ? handle : open_at(directory, length, length ? "hooks.so" : "./hooks.so");
}

static void on_loading(void);

static int install(void *handle, unsigned kinds, bool rehearsal)
{
    hooks_install_function *function = (hooks_install_function *)dlsym(handle, "hooks_install");
    struct hooks_request request = {
        .kinds = kinds,
        .mappings = process.rules.any_cached,
        .rehearsal = rehearsal,
        .wanted = is_wanted,
        .decide = site_call_decide,
        .decide_in_little_stack = site_call_decide_in_little_stack,
        .madvise = (const void *)(uintptr_t)own_madvise,
        .process_madvise = (const void *)(uintptr_t)own_process_madvise,
        .syscall = (const void *)(uintptr_t)own_syscall,
        .object = sites_note_object,
        .unpatched = note_left,
        .loading = on_loading,
        .other_errno = next_add_errno,
    };
    state.look_again = (hooks_look_again_function *)dlsym(handle, "hooks_look_again");
    state.symbol = (hooks_symbol_function *)dlsym(handle, "hooks_symbol");
    return function && state.look_again && state.symbol ? function(&request) : -ENOSYS;
}

static unsigned wanted_kinds(void)
{
    return process.options.hooks_given ? process.options.hooks : process.rules.hooks;
}

/* In a child, which ends afterwards. */
static int rehearse(void)
{
    void *handle = open_hooks();
    if (handle)
        install(handle, wanted_kinds(), true);
    return 0;
}

/* Returns whether the mapping calls of all hooked objects are seen. */
static bool start(bool filtered)
{
    static const char left_alone[] = "; calls and symbols that need it are left alone";
    if ((!wanted_kinds() && !process.rules.any_symbol) || !standing_serves(standing_reason()))
        return false;
    if (filtered && !probe_child_survives(rehearse)) {
        message(LOG_WARN, "the seccomp filter kills what hooks.so does", left_alone, NULL);
        return false;
    }
    void *handle = open_hooks();
    if (!handle) {
        message(LOG_WARN, "cannot load hooks.so: ", dlerror(), left_alone, NULL);
        return false;
    }
    int error = install(handle, wanted_kinds(), false);
    if (error) {
        message(LOG_WARN, "hooks.so cannot work here: ", strerror(-error), left_alone, NULL);
        return false;
    }
    resolve_symbols();
    __atomic_store_n(&hooking_active, 1, __ATOMIC_RELEASE);
    return wanted_kinds() & HOOK_INLINE && !state.unguarded;
}

void hooking_start(bool filtered)
{
    trust_presets(start(filtered));
}

/* An allocator that looks for the next one does so inside malloc, where nothing of ours may allocate. */
static bool is_allocator(const char *name)
{
    static const char *const names[] = {"malloc",   "calloc",         "realloc",           "free",
                                        "memalign", "posix_memalign", "aligned_alloc",     "valloc",
                                        "pvalloc",  "cfree",          "malloc_usable_size"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void look_again(bool loading)
{
    int saved = errno;
    /* Once calls are forwarded for good (a sandbox, say), no system call is made that the host did not ask
     * for. */
    if (!standing_serves(standing_reason()) || state_is_unadopted_child())
        return;
    if (state.look_again(loading))
        resolve_symbols();
    errno = saved;
}

/* From the moment that hooks.so has arranged it: it may be before hooking_active. */
static void on_loading(void)
{
    if (hooking_active)
        look_again(true);
}

void hooking_before_dlsym(void *handle, const char *name)
{
    (void)handle;
    if (!name || !is_allocator(name))
        look_again(false);
}
