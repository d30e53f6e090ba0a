/* Is a call served, whichever way it is made? reach WAY LIBRARY: loads LIBRARY (the plugin) in that way, and
   says for each kind of call whether keepwarm answered it: a page that was dirty is zero afterwards, and
   resident only if it was served. Prints `KIND served` or `KIND real`; exit status 1 when memory was not
   fresh or an error came out wrong. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "test/host/reach.h"

enum { PAGES = 16, PAGE_BYTES = 4096, LENGTH = PAGES * PAGE_BYTES, CALLS = 64, STACK_BYTES = 20 << 10 };

static int failures;

static char *new_range(void)
{
    char *range = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (range == MAP_FAILED)
        exit(125);
    madvise(range, LENGTH, MADV_NOHUGEPAGE);
    return range;
}

static int is_resident(char *page)
{
    unsigned char state = 0;
    return mincore(page, PAGE_BYTES, &state) == 0 && state & 1;
}

/* Resets a range often, with a page dirty each time. */
static void try(const char *kind, char *range, long (*call)(const struct plugin *, void *, size_t, int),
                const struct plugin *p)
{
    int served = 0, real = 0;
    for (int i = 0; i < CALLS; i++) {
        char *page = range + i % PAGES * PAGE_BYTES;
        memset(page, 0x5a, PAGE_BYTES);
        if (call(p, range, LENGTH, MADV_DONTNEED) < 0)
            failures++;
        if (is_resident(page))
            served++;
        else
            real++;
        for (int j = 0; j < LENGTH; j += 64)
            failures += range[j] != 0;
    }
    printf("%s %s\n", kind, !real ? "served" : !served ? "real" : "both");
}

static long symbol(const struct plugin *p, void *start, size_t length, int advice)
{
    return p->by_symbol(start, length, advice);
}

static long number(const struct plugin *p, void *start, size_t length, int advice)
{
    return p->by_number(start, length, advice);
}

static long pointer(const struct plugin *p, void *start, size_t length, int advice)
{
    return p->by_pointer(start, length, advice);
}

static long instruction(const struct plugin *p, void *start, size_t length, int advice)
{
    return p->by_instruction(start, length, advice);
}

static long vector(const struct plugin *p, void *start, size_t length, int advice)
{
    return p->by_vector(start, length, advice);
}

/* Before Linux 6.14 the kernel refuses the call. */
static void try_vector(const struct plugin *p)
{
    if (p->by_vector(new_range(), LENGTH, MADV_DONTNEED) < 0)
        puts("vector refused");
    else
        try("vector", new_range(), vector, p);
}

static int (*libc_madvise)(void *, size_t, int);

static long handle(const struct plugin *p, void *start, size_t length, int advice)
{
    (void)p;
    return libc_madvise(start, length, advice);
}

/* Errors come out as the kernel and the caller's own libc have them. */
static void check_errors(const struct plugin *p)
{
    failures += p->by_symbol((void *)1, 4096, MADV_DONTNEED) != -1 || p->get_errno() != EINVAL;
    failures += p->by_symbol((void *)4096, 4096, MADV_DONTNEED) != -1 || p->get_errno() != ENOMEM;
    failures += p->by_number((void *)1, 4096, MADV_DONTNEED) != -1 || p->get_errno() != EINVAL;
    failures += p->by_instruction((void *)1, 4096, MADV_DONTNEED) != -EINVAL;
    failures += p->by_instruction((void *)4096, 4096, MADV_DONTNEED) != -ENOMEM;
    if (failures)
        printf("errors: %d\n", failures);
}

/* A range on the caller's own stack, below its frame: the kernel's to answer. */
static __attribute__((noinline)) void drop_stack(const struct plugin *p)
{
    char here[64];
    char *below =
        (char *)(((unsigned long)here - 512) & -4096UL) - 16 * PAGE_BYTES; /* but for the call itself */
    memset(here, 7, sizeof here);
    failures += p->by_instruction(below, 16 * PAGE_BYTES, MADV_DONTNEED) != 0;
    for (unsigned i = 0; i < sizeof here; i++)
        failures += ((volatile char *)here)[i] != 7;
}

static void *other_thread(void *go_on)
{
    while (__atomic_load_n((int *)go_on, __ATOMIC_RELAXED))
        ;
    return NULL;
}

/* The protections of everything mapped from the plugin, as one text. */
static void protections(const char *library, char *text, size_t size)
{
    char line[8192];
    const char *slash = strrchr(library, '/');
    FILE *maps = fopen("/proc/self/maps", "r");
    *text = 0;
    while (maps && fgets(line, sizeof line, maps)) {
        if (strstr(line, " rwx")) {
            printf("writable and executable: %s", line);
            failures++;
        }
        line[strcspn(line, "\n")] = 0;
        if (strstr(line, slash ? slash : library) && strlen(text) + strlen(line) + 1 < size)
            strcat(text, line);
    }
    if (maps)
        fclose(maps);
}

static void *load(const char *way, const char *library)
{
    if (strcmp(way, "deepbind") == 0)
        return dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    if (strcmp(way, "deepbind-lazy") == 0)
        return dlopen(library, RTLD_LAZY | RTLD_LOCAL | RTLD_DEEPBIND);
    if (strcmp(way, "dlmopen") == 0)
        return dlmopen(LM_ID_NEWLM, library, RTLD_NOW | RTLD_LOCAL);
    return dlopen(library, RTLD_NOW | RTLD_LOCAL);
}

static void *load_here(void *library)
{
    return load("", library);
}

/* By a thread that has little more stack than dlopen takes. */
static void *load_in_thread(char *library)
{
    pthread_attr_t attributes;
    pthread_t thread;
    void *loaded = NULL;
    if (pthread_attr_init(&attributes) || pthread_attr_setstacksize(&attributes, STACK_BYTES) ||
        pthread_create(&thread, &attributes, load_here, library))
        exit(125);
    pthread_join(thread, &loaded);
    return loaded;
}

/* As a program that has its plugins register themselves: no dlsym. */
static const struct plugin *hear_hello(void)
{
    void *plugin = NULL;
    char constructor[16] = "";
    if (sscanf(getenv(HELLO), "%p %15s", &plugin, constructor) == 2)
        printf("constructor %s\n", constructor);
    return plugin;
}

int main(int argc, char **argv)
{
    failures += errno != 0; /* as C promises, whatever went before main */
    if (argc != 3) {
        fprintf(stderr, "usage: reach WAY LIBRARY\n");
        return 125;
    }
    int go_on = 1;
    pthread_t thread;
    int threads = strcmp(argv[1], "threads") == 0, hello = strcmp(argv[1], "hello") == 0;
    if (hello)
        setenv(HELLO, "", 1);
    if (threads && pthread_create(&thread, NULL, other_thread, &go_on))
        return 125;
    /* Loaded, closed and loaded again: most likely at the same addresses. */
    void *library = hello ? load_in_thread(argv[2]) : load(argv[1], argv[2]);
    if (library && strcmp(argv[1], "again") == 0 && dlsym(library, "plugin")) {
        dlclose(library);
        library = load(argv[1], argv[2]);
    }
    static char before[1 << 16], after[1 << 16];
    protections(argv[2], before, sizeof before);
    const struct plugin *p = hello ? hear_hello() : library ? dlsym(library, "plugin") : NULL;
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    *(void **)&libc_madvise = libc && !hello ? dlsym(libc, "madvise") : NULL;
    if (!p || !(libc_madvise || hello)) {
        fprintf(stderr, "reach: %s\n", dlerror());
        return 125;
    }
    try("symbol", new_range(), symbol, p);
    try("number", new_range(), number, p);
    try("pointer", new_range(), pointer, p);
    try("instruction", new_range(), instruction, p);
    try_vector(p);
    if (libc_madvise)
        try("handle", new_range(), handle, p);
    char *arena = p->get_arena();
    for (int at = 0; at < ARENA_BYTES; at += LENGTH)
        failures += arena[at] != 0;
    try("arena", arena, instruction, p);
    check_errors(p);
    drop_stack(p);
    protections(argv[2], after, sizeof after);
    if (strcmp(before, after) != 0) {
        printf("protections changed:\n%s\n%s\n", before, after);
        failures++;
    }
    __atomic_store_n(&go_on, 0, __ATOMIC_RELAXED);
    if (threads)
        pthread_join(thread, NULL);
    printf("%s\n", failures ? "WRONG" : "fresh");
    return failures ? 1 : 0;
}
