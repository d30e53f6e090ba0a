/* hooks.so's way in: which objects are looked at, and what was done about each. */
#include "hooks/hooks.h"

#include <dlfcn.h>
#include <errno.h>
#include <fnmatch.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "hooks/got.h"
#include "hooks/inline.h"
#include "hooks/loader.h"
#include "hooks/objects.h"
#include "hooks/thunk.h"

#define EXPORT __attribute__((visibility("default")))

enum { LIBCS_MOST = 16, TRIES_MOST = 3 };

/* What an object is looked at for. A loader that has just mapped it has not bound its slots yet. */
enum due { DUE_SLOTS = 1, DUE_SITES = 2, DUE_ALL = DUE_SLOTS | DUE_SITES };

enum moment {
    AT_START,   /* before main; nothing is unloaded meanwhile */
    AT_LOADING, /* told by the loader, which this thread is in and has locked */
    LATER,
};

/* An object that was looked at. */
struct seen {
    const char *path;
    uint64_t start, inode;
    uint64_t witness, witness_value; /* as long as it reads so, this is still the object that was changed */
    unsigned due;                    /* enum due, ored: what is still to be done */
    unsigned tries;                  /* left, for sites that cannot be patched at some moment */
    struct hooks_object report;
};

/* Module state. Changed under `busy` only. */
static struct {
    struct hooks_request request;
    atomic_flag busy;
    bool installed;
    enum moment moment;
    _Atomic uint64_t loads; /* the loader's count at the last look */
    atomic_bool again;      /* something is due */
    struct seen *seen;
    size_t seen_count, seen_room;
    struct got_functions libc[LIBCS_MOST];
    size_t libc_count;
} state = {.busy = ATOMIC_FLAG_INIT};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool holds(const struct object *o, const void *address)
{
    return o->start <= (uintptr_t)address && (uintptr_t)address < o->end;
}

/* ---- which objects ---- */

static bool is_libc(const struct elf_file *file)
{
    const char *soname = elf_file_soname(file);
    return soname && strcmp(soname, "libc.so.6") == 0;
}

/* A sanitizer keeps its own account of memory, by its own calls. */
static bool is_sanitizer(const struct object *o, const struct elf_file *file)
{
    static const char *const libraries[] = {"libasan.so",   "libtsan.so",  "liblsan.so",
                                            "libhwasan.so", "libubsan.so", "libclang_rt."};
    static const char *const functions[] = {"__asan_init", "__tsan_init", "__msan_init", "__hwasan_init"};
    uint64_t address;
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        if (begins(base_name(o->path), libraries[i]))
            return true;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (elf_defines(file, functions[i], &address)) /* linked into the program */
            return true;
    return false;
}

/* Ours, and the loader. Known without opening the file. */
static bool is_untouchable(const struct object *o)
{
    const char *name = base_name(o->path);
    return holds(o, (const void *)(uintptr_t)state.request.decide) ||
           holds(o, (const void *)(uintptr_t)hooks_install) || begins(name, "ld-linux") ||
           begins(name, "ld-2.") || begins(name, "libkeepwarm.");
}

static uint64_t address_of(const struct object *o, const struct elf_file *file, const char *name)
{
    uint64_t address;
    return elf_defines(file, name, &address) ? address + o->bias : 0;
}

/* Slots are compared with the functions of every libc there is, so those are found first. */
static void find_libcs(struct objects *objects)
{
    state.libc_count = 0;
    for (size_t i = 0; i < objects->count && state.libc_count < LIBCS_MOST; i++) {
        struct object *o = &objects->object[i];
        struct elf_file file;
        if (!begins(base_name(o->path), "libc") || object_open(o, &file) != SITE_patchable)
            continue;
        if (is_libc(&file)) {
            state.libc[state.libc_count++] = (struct got_functions){address_of(o, &file, "madvise"),
                                                                    address_of(o, &file, "process_madvise"),
                                                                    address_of(o, &file, "syscall")};
            uint64_t location = address_of(o, &file, "__errno_location");
            if (!o->listed && location && state.request.other_errno)
                state.request.other_errno((int *(*)(void))(uintptr_t)location);
        }
        elf_file_close(&file);
    }
}

/* ---- one object ---- */

struct report {
    struct hooks_object object;
    const char *path;
};

static void on_left(void *context, uint64_t address, const char *kind, unsigned number, unsigned reason)
{
    struct report *report = context;
    struct hooks_unpatched place = {
        .path = report->path,
        .kind = kind,
        .reason = site_reason_name(reason),
        .text = site_reason_text(reason),
        .address = address,
        .call = number ? site_call_name(number) : NULL,
        .maps = state.request.mappings && (!number || site_is_mapping(number)),
    };
    report->object.unpatchable++;
    if (state.request.unpatched)
        state.request.unpatched(&place);
}

static void change_slots(struct object *o, const struct elf_file *file, struct report *report,
                         struct seen *seen)
{
    const struct hooks_request *r = &state.request;
    struct got_work work = {
        .ours = {(uintptr_t)r->madvise, (uintptr_t)r->process_madvise, (uintptr_t)r->syscall},
        .libc = state.libc,
        .libc_count = state.libc_count,
        .lazy_is_ours = state.moment == AT_START && o->listed,
        .change = r->kinds & HOOKS_GOT,
        .left = on_left,
        .context = report,
    };
    got_change(&work, o, file);
    report->object.plt = work.plt;
    report->object.got = work.got;
    if (work.witness) {
        seen->witness = work.witness;
        seen->witness_value = work.witness_value;
    }
}

static bool on_any_slot(void *context, const struct elf_slot *slot)
{
    (void)slot;
    *(bool *)context = true;
    return false;
}

static bool has_slots(const struct elf_file *file)
{
    bool any = false;
    elf_slots(file, on_any_slot, &any);
    return any;
}

/* Returns whether some sites are to be tried again. */
static bool patch_sites(struct object *o, const struct elf_file *file, bool entries, struct report *report,
                        struct seen *seen)
{
    struct inline_work work = {
        .bias = o->bias,
        .calls = state.request.mappings ? SITE_CALLS_ALL : SITE_CALLS_RESETS,
        .entries = entries,
        .how = patch_how_now(),
        .retry = seen->tries < TRIES_MOST,
        .left = on_left,
        .context = report,
    };
    if (inline_patch(&work, file) < 0)
        on_left(report, 0, entries ? "libc" : "inline", 0, SITE_unreadable);
    if (entries)
        report->object.libc = work.patched;
    else
        report->object.inlined = work.patched;
    if (work.witness) {
        seen->witness = work.witness;
        seen->witness_value = work.witness_value;
    }
    if (!work.again || !seen->tries)
        return false;
    seen->tries--;
    return true;
}

/* Does what is due; returns what is left to be done, at a later look. */
static unsigned hook_file(struct object *o, const struct elf_file *file, struct report *report,
                          struct seen *seen)
{
    unsigned kinds = state.request.kinds, left = 0;
    bool libc = is_libc(file);
    if (libc ? !(kinds & HOOKS_LIBC) : is_sanitizer(o, file))
        return 0;
    if (seen->due & DUE_SLOTS && !libc) {
        if (state.moment == AT_LOADING && has_slots(file))
            left |= DUE_SLOTS;
        else
            change_slots(o, file, report, seen);
    }
    if (seen->due & DUE_SITES && (libc || kinds & HOOKS_INLINE) && patch_sites(o, file, libc, report, seen))
        left |= DUE_SITES;
    return left;
}

/* The same path always gives the same pointer; never freed, as reports hold it. */
static const char *keep_path(const char *path)
{
    for (size_t i = 0; i < state.seen_count; i++)
        if (strcmp(state.seen[i].path, path) == 0)
            return state.seen[i].path;
    return strdup(path);
}

static void watch_loader(struct object *o)
{
    struct elf_file file;
    struct report report = {.path = keep_path(o->path)};
    unsigned reason = object_open(o, &file);
    if (reason == SITE_patchable) {
        reason = loader_watch(&file, o->bias, state.request.loading, patch_how_now());
        elf_file_close(&file);
    }
    report.object.path = report.path;
    if (reason == SITE_patchable || !report.path)
        return;
    on_left(&report, _r_debug.r_brk, "loader", 0, reason);
    if (state.request.object)
        state.request.object(&report.object);
}

static void hook_object(struct object *o, struct seen *seen)
{
    struct report report = {.object = seen->report, .path = seen->path};
    struct elf_file file;
    unsigned left = 0;
    report.object.path = seen->path;
    if (seen->due & DUE_SITES) /* they are all counted anew */
        report.object.unpatchable = 0;
    bool maybe_libc = begins(base_name(o->path), "libc.so") || begins(base_name(o->path), "libc-");
    if (is_untouchable(o) || (!maybe_libc && !state.request.wanted(o->path))) {
        seen->due = 0;
        return;
    }
    unsigned reason = object_open(o, &file);
    if (reason == SITE_patchable) {
        left = hook_file(o, &file, &report, seen);
        elf_file_close(&file);
    } else if (o->listed) { /* other mapped files need not be ELF at all */
        on_left(&report, 0, "object", 0, reason);
        if (state.moment == LATER &&
            seen->tries) { /* another may have been unloaded and this one loaded there */
            seen->tries--;
            left = seen->due;
        }
    }
    seen->due = left;
    if (left)
        atomic_store(&state.again, true);
    seen->report = report.object;
    if (state.request.object)
        state.request.object(&report.object);
}

/* ---- all objects ---- */

/* Also where its file has been removed since. */
static bool is_same_path(const char *before, const char *now)
{
    size_t length = strlen(before);
    return strncmp(before, now, length) == 0 && (!now[length] || strcmp(now + length, OBJECT_DELETED) == 0);
}

static struct seen *find_seen(const struct object *o)
{
    for (size_t i = 0; i < state.seen_count; i++) {
        struct seen *s = &state.seen[i];
        if (s->inode == o->inode && s->start == o->start && is_same_path(s->path, o->path))
            return s;
    }
    return NULL;
}

static struct seen new_seen(const char *path, const struct object *o)
{
    return (struct seen){
        .path = path, .start = o->start, .inode = o->inode, .due = DUE_ALL, .tries = TRIES_MOST};
}

static struct seen *add_seen(const struct object *o)
{
    if (state.seen_count == state.seen_room) {
        size_t room = state.seen_room ? 2 * state.seen_room : 64;
        struct seen *grown = realloc(state.seen, room * sizeof *grown);
        if (!grown)
            return NULL;
        state.seen = grown;
        state.seen_room = room;
    }
    struct seen seen = new_seen(keep_path(o->path), o);
    if (!seen.path)
        return NULL;
    state.seen[state.seen_count] = seen;
    return &state.seen[state.seen_count++];
}

/* Is it the object that was changed, and not another copy, loaded since at the same place? */
static bool is_still_changed(const struct seen *seen)
{
    uint64_t value;
    return !seen->witness ||
           (memory_read(seen->witness, &value, sizeof value) && value == seen->witness_value);
}

/* Another thread may unload an object while it is being changed: a reference of our own keeps it. Those of
   other namespaces cannot be had by name. */
static void *pin(const struct object *o)
{
    Dl_info info;
    struct link_map *map = NULL;
    if (!o->listed || o->is_exe ||
        !dladdr1((void *)(uintptr_t)o->start, &info, (void **)&map, RTLD_DL_LINKMAP) || !map ||
        !map->l_name[0])
        return NULL;
    return dlopen(map->l_name, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
}

static void look_at(struct object *o)
{
    struct seen *seen = find_seen(o);
    if (seen && is_still_changed(seen) && !seen->due)
        return;
    void *pinned = state.moment == LATER ? pin(o) : NULL;
    if (state.moment == LATER && !pinned && o->listed && !o->is_exe)
        return; /* gone by now */
    if (!seen)
        seen = add_seen(o);
    else if (!is_still_changed(seen))
        *seen = new_seen(seen->path, o);
    if (seen)
        hook_object(o, seen);
    if (pinned)
        dlclose(pinned);
}

static int look_at_all(void)
{
    struct objects objects;
    int error = objects_list(&objects);
    if (error)
        return error;
    atomic_store(&state.again, false);
    atomic_store(&state.loads, objects.loads);
    find_libcs(&objects);
    for (size_t i = 0; i < objects.count; i++) {
        look_at(&objects.object[i]);
        if (state.moment == AT_START && state.request.kinds & HOOKS_INLINE &&
            holds(&objects.object[i], (const void *)(uintptr_t)_r_debug.r_brk))
            watch_loader(&objects.object[i]);
    }
    objects_free(&objects);
    return 0;
}

/* Everything that a later look may ask of the kernel, to no effect. */
static void rehearse(void)
{
    struct thunk_block block;
    const uint8_t *here = (const uint8_t *)(uintptr_t)rehearse;
    if (thunk_block_open(&block, here, here + 1, 1) == SITE_patchable) {
        thunk_block_seal(&block);
        patch_rehearse(block.memory);
        thunk_block_drop(&block);
    }
}

EXPORT int hooks_install(const struct hooks_request *request)
{
    if (atomic_flag_test_and_set(&state.busy))
        return -EBUSY;
    state.request = *request;
    hook_decide_now = request->decide;
    hook_decide_in_little_stack_now = request->decide_in_little_stack;
    state.moment = AT_START;
    int error = request->kinds ? look_at_all() : 0;
    if (request->rehearsal)
        rehearse();
    state.installed = true;
    atomic_flag_clear(&state.busy);
    return error;
}

EXPORT bool hooks_look_again(bool loading)
{
    int cancel;
    /* Also when this thread is looking already: what is done there calls dlsym and malloc. */
    if (atomic_flag_test_and_set(&state.busy))
        return false;
    bool news =
        state.installed && (atomic_load(&state.again) || objects_loads() != atomic_load(&state.loads));
    if (news) {
        state.moment = loading ? AT_LOADING : LATER;
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE,
                               &cancel); /* neither dlopen nor dlsym can be cancelled */
        if (state.request.kinds)
            look_at_all();
        else
            atomic_store(&state.loads, objects_loads());
        pthread_setcancelstate(cancel, NULL);
    }
    atomic_flag_clear(&state.busy);
    return news;
}

static bool symbol_in(struct object *o, const char *name, uint64_t *start, uint64_t *end)
{
    struct elf_file file;
    struct elf_extent extent;
    if (object_open(o, &file) != SITE_patchable)
        return false;
    bool found = elf_data_symbol(&file, name, &extent) && extent.size <= UINT64_MAX - extent.address;
    if (found) {
        *start = extent.address + o->bias;
        *end = *start + extent.size;
    }
    elf_file_close(&file);
    return found;
}

EXPORT bool hooks_symbol(const char *name, const char *object, uint64_t *start, uint64_t *end)
{
    struct objects objects;
    bool found = false;
    if (objects_list(&objects) < 0)
        return false;
    for (size_t i = 0; i < objects.count && !found; i++) {
        struct object *o = &objects.object[i];
        if (!object || fnmatch(object, o->path, 0) == 0 || fnmatch(object, base_name(o->path), 0) == 0)
            found = symbol_in(o, name, start, end);
    }
    objects_free(&objects);
    return found;
}
