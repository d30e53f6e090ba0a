/* keepwarm sites FILE|PID: every place that calls madvise or process_madvise, and what keepwarm would do
 * about it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/arguments.h"
#include "hooks/elf_file.h"
#include "hooks/site_list.h"

enum { OBJECTS_MOST = 4096, LINE_MOST = 4096 + 256 };

struct listing {
    const char *object;
    const struct elf_file *file;
    bool json, first, is_libc;
    enum site_calls calls;
    int memory;    /* /proc/PID/mem, or -1 */
    uint64_t bias; /* what to add to the file's addresses for the process's */
    unsigned places, patchable;
};

const char program_name[] = "keepwarm sites";

static const char usage[] =
    "usage: keepwarm sites [--json] [--mappings] FILE|PID\n"
    "Lists every place in FILE, or in the objects of process PID, that calls madvise or process_madvise.\n"
    "FILE is not run. A name of digits only is a PID; write ./123 for a file of that name.\n"
    "\n"
    "  --json      one JSON document instead of lines\n"
    "  --mappings  also the inline mapping calls (mmap, munmap, mprotect, mremap and the like), which are\n"
    "              patched where a rule says vma=cache\n"
    "  --help      this text\n"
    "\n"
    "Columns: object, address (in the file; for a PID in memory), symbol, kind, call, bytes, verdict, "
    "reason.\n"
    "Kinds:   plt     a slot of the procedure linkage table: reached by preloading\n"
    "         got     another pointer that the dynamic linker fills in: reached by preloading, if made in "
    "time\n"
    "         inline  a system call instruction: needs hooks=inline\n"
    "         libc    the same inside libc: needs hooks=libc\n"
    "Verdict: preload, patch (could be patched), patched (in this process, now), leave (and the reason why)\n"
    "\n"
    "Exit status: 0, or 125 when FILE or PID cannot be read.\n";

static void print_json_string(const char *text)
{
    putchar('"');
    for (const unsigned char *p = (const unsigned char *)(text ? text : ""); *p; p++) {
        if (*p == '"' || *p == '\\')
            printf("\\%c", *p);
        else if (*p < 0x20 || *p >= 0x7f)
            printf("\\u%04x", *p); /* names that are not ASCII come out as Latin-1: still valid JSON */
        else
            putchar(*p);
    }
    putchar('"');
}

static void print_hex(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        printf("%02x", bytes[i]);
}

static const char json_head[] = "{\"schema\": \"keepwarm-sites/1\", \"sites\": [";

struct place {
    uint64_t address;
    const char *symbol, *kind, *call, *verdict, *reason;
    const uint8_t *bytes;
    size_t size;
};

static void print_place(struct listing *l, const struct place *p)
{
    l->places++;
    if (!l->json) {
        printf("%s 0x%" PRIx64 " %s %s %s ", l->object, p->address, p->symbol ? p->symbol : "-", p->kind,
               p->call);
        print_hex(p->bytes, p->size);
        printf("%s %s %s\n", p->size ? "" : "-", p->verdict, p->reason);
        return;
    }
    printf("%s\n  {\"object\": ", l->first ? json_head : ",");
    l->first = false;
    print_json_string(l->object);
    printf(", \"address\": \"0x%" PRIx64 "\", \"symbol\": ", p->address);
    print_json_string(p->symbol);
    printf(", \"kind\": \"%s\", \"call\": \"%s\", \"bytes\": \"", p->kind, p->call);
    print_hex(p->bytes, p->size);
    printf("\", \"verdict\": \"%s\", \"reason\": \"%s\"}", p->verdict, p->reason);
}

static bool print_slot(void *context, const struct elf_slot *slot)
{
    struct listing *l = context;
    bool plt = slot->type == R_X86_64_JUMP_SLOT;
    struct place place = {.address = slot->address + l->bias,
                          .kind = plt ? "plt" : "got",
                          .call = slot->name,
                          .verdict = "preload",
                          .reason = "dynamic_symbol"};
    print_place(l, &place);
    return true;
}

/* In a process: has the mov become a jump? */
static bool is_patched(const struct listing *l, const struct file_site *site)
{
    uint8_t now = 0;
    return l->memory >= 0 && site->reason == SITE_patchable &&
           pread(l->memory, &now, 1, (off_t)(site->mov + l->bias)) == 1 && now == 0xe9;
}

static bool print_site(void *context, const struct file_site *site)
{
    struct listing *l = context;
    struct elf_extent function = {0};
    bool named = elf_symbol_at(l->file, site->mov, &function);
    bool patchable = site->reason == SITE_patchable;
    struct place place = {.address = site->mov + l->bias,
                          .symbol = named ? function.name : NULL,
                          .kind = l->is_libc ? "libc" : "inline",
                          .call = site_call_name(site->number),
                          .verdict = is_patched(l, site) ? "patched"
                                     : patchable         ? "patch"
                                                         : "leave",
                          .reason = site_reason_name(site->reason),
                          .bytes = site->bytes,
                          .size = site->size};
    print_place(l, &place);
    l->patchable += patchable;
    return true;
}

static void list_object(struct listing *l, const struct elf_file *file, const char *name)
{
    const char *soname = elf_file_soname(file);
    l->object = name;
    l->file = file;
    l->is_libc = soname && strcmp(soname, "libc.so.6") == 0;
    elf_slots(file, print_slot, l);
    if (site_list(file, l->calls, print_site, l) < 0)
        failure("%s: not enough memory for some functions", name);
}

static int list_file(struct listing *l, const char *path)
{
    struct elf_file file;
    int error = elf_file_open(&file, path);
    if (error)
        return failure("%s: %s", path, elf_error_text(error));
    list_object(l, &file, path);
    elf_file_close(&file);
    return 0;
}

struct mapping {
    uint64_t start, end, offset;
    uint64_t device, inode;
    char access[5];
    char path[4096];
};

static bool parse_mapping(const char *line, struct mapping *m)
{
    unsigned major, minor;
    m->path[0] = '\0';
    int got = sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %4095[^\n]", &m->start,
                     &m->end, m->access, &m->offset, &major, &minor, &m->inode, m->path);
    m->device = (uint64_t)major << 32 | minor;
    return got >= 7;
}

/* The file behind a mapping: through the process's own view where that is permitted, else by name. */
static int open_mapped(struct elf_file *file, const char *pid, const struct mapping *m)
{
    char path[LINE_MOST];
    snprintf(path, sizeof path, "/proc/%s/map_files/%" PRIx64 "-%" PRIx64, pid, m->start, m->end);
    int error = elf_file_open(file, path);
    if (!error || strstr(m->path, " (deleted)"))
        return error;
    snprintf(path, sizeof path, "/proc/%s/root%s", pid, m->path);
    if (elf_file_open(file, path) == 0)
        return 0;
    return elf_file_open(file, m->path);
}

static void list_mapping(struct listing *l, const char *pid, const struct mapping *m)
{
    struct elf_file file;
    int error = open_mapped(&file, pid, m);
    if (error) {
        failure("%s: %s", m->path, elf_error_text(error));
        return;
    }
    if (elf_file_bias(&file, m->start, m->offset, &l->bias))
        list_object(l, &file, m->path);
    elf_file_close(&file);
}

static int list_process(struct listing *l, const char *pid)
{
    static struct {
        uint64_t device, inode;
    } seen[OBJECTS_MOST];
    static struct mapping m;
    char path[64], *line = NULL;
    size_t room = 0, count = 0;
    snprintf(path, sizeof path, "/proc/%s/maps", pid);
    FILE *maps = fopen(path, "re");
    if (!maps)
        return failure("%s: %s", pid, errno == ENOENT ? "no such process" : strerror(errno));
    snprintf(path, sizeof path, "/proc/%s/mem", pid);
    l->memory = open(path, O_RDONLY | O_CLOEXEC); /* where it is not permitted, patched sites show as patch */
    while (getline(&line, &room, maps) > 0) {
        bool known = !parse_mapping(line, &m) || m.access[2] != 'x' || m.path[0] != '/' || m.inode == 0;
        for (size_t i = 0; i < count && !known; i++)
            known = seen[i].device == m.device && seen[i].inode == m.inode;
        if (known || count == OBJECTS_MOST)
            continue;
        seen[count].device = m.device;
        seen[count++].inode = m.inode;
        list_mapping(l, pid, &m);
    }
    int status = 0;
    if (ferror(maps))
        status = failure("%s: cannot read its mappings", pid);
    free(line);
    fclose(maps);
    if (l->memory >= 0)
        close(l->memory);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"mappings", no_argument, NULL, 'm'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct listing l = {.first = true, .memory = -1};
    for (int option; (option = next_option(argc, argv, options, usage)) != -1;)
        if (option == 'j')
            l.json = true;
        else
            l.calls = SITE_CALLS_ALL;
    if (argc - optind != 1)
        return failure("give one FILE or PID; --help tells more");
    const char *what = argv[optind];
    bool is_pid = *what && what[strspn(what, "0123456789")] == '\0' && strlen(what) < 20;
    int status = is_pid ? list_process(&l, what) : list_file(&l, what);
    if (l.json && status == 0)
        printf("%s%s]}\n", l.first ? json_head : "", l.first ? "" : "\n");
    else if (status == 0)
        printf("# %u places, %u of them inline sites that can be patched\n", l.places, l.patchable);
    return finish_output(status);
}
