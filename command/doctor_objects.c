#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command/arguments.h"
#include "command/doctor.h"
#include "hooks/elf_file.h"
#include "hooks/site_list.h"

enum { NAMES_MOST = 160 };

/* Which objects do something: their names, for a row. */
struct found {
    unsigned count; /* of places */
    char objects[NAMES_MOST];
};

struct search {
    struct report *report;
    const char *object; /* the one that is being looked at */
    bool is_libc, gave_up;
    unsigned libraries;
    struct found symbols, patchable, left;
    const char *left_why; /* of the last one left */
};

static void note(struct found *found, const char *object)
{
    const char *slash = strrchr(object, '/');
    const char *name = slash ? slash + 1 : object;
    size_t length = strlen(found->objects);
    found->count++;
    if (!strstr(found->objects, name) && length + strlen(name) + 3 < NAMES_MOST)
        snprintf(found->objects + length, NAMES_MOST - length, "%s%s", length ? ", " : "", name);
}

static bool note_slot(void *context, const struct elf_slot *slot)
{
    struct search *s = context;
    if (strcmp(slot->name, "syscall") != 0)
        note(&s->symbols, s->object);
    return true;
}

static bool note_site(void *context, const struct file_site *site)
{
    struct search *s = context;
    note(site->reason == SITE_patchable ? &s->patchable : &s->left, s->object);
    if (site->reason != SITE_patchable)
        s->left_why = site_reason_text(site->reason);
    return true;
}

static void look_at(struct search *s, const char *path)
{
    struct elf_file file;
    int error = elf_file_open(&file, path);
    if (error) {
        report_add(s->report, "libraries", STATUS_WARNING, "%s: %s", path, elf_error_text(error));
        return;
    }
    const char *soname = elf_file_soname(&file);
    s->object = path;
    s->is_libc = soname && (strcmp(soname, "libc.so.6") == 0 || strncmp(soname, "ld-linux", 8) == 0);
    if (!s->is_libc) {
        elf_slots(&file, note_slot, s);
        site_list(&file, SITE_CALLS_RESETS, note_site, s);
    }
    elf_file_close(&file);
}

/* gcc's sanitizers want their runtime to be the first library of the process. */
static bool is_sanitizer(const char *name)
{
    return strncmp(name, "libasan.so", 10) == 0 || strncmp(name, "libtsan.so", 10) == 0 ||
           strncmp(name, "liblsan.so", 10) == 0;
}

static void add_sanitizer(struct report *report, const char *path, const char *name)
{
    const char *preload = getenv("LD_PRELOAD");
    if (preload && strstr(preload, name))
        return;
    row_remedy(report_add(report, "sanitizer", STATUS_PROBLEM,
                          "it needs %s, which ends the program when another library comes before it", name),
               "Put it first: LD_PRELOAD=%s keepwarm run ...", path);
}

/* One line of the dynamic linker's list: "NAME => PATH (ADDRESS)", "PATH (ADDRESS)", or why it gave up. */
static void look_at_line(struct search *s, char *line)
{
    static const char gave_up[] = ": error while loading shared libraries: ";
    line[strcspn(line, "\n")] = 0;
    const char *why = strstr(line, gave_up);
    if (why) {
        row_remedy(report_add(s->report, "libraries", STATUS_PROBLEM, "%s", why + sizeof gave_up - 1),
                   "Install it, or say in LD_LIBRARY_PATH where it is");
        s->gave_up = true;
        return;
    }
    char *arrow = strstr(line, " => "), *path = arrow ? arrow + 4 : line + strspn(line, "\t ");
    char *address = strstr(path, " (0x");
    if (path[0] != '/' || !address)
        return;
    *address = 0;
    s->libraries++;
    look_at(s, path);
    if (is_sanitizer(strrchr(path, '/') + 1))
        add_sanitizer(s->report, path, strrchr(path, '/') + 1);
}

/* Has the dynamic linker list what the program needs: as it would load it, LD_PRELOAD and all, and without
   running any of it. */
static FILE *list_libraries(const char *program, const char *interpreter, pid_t *pid)
{
    int ends[2];
    /* The kernel tells a program where it is, links followed, and $ORIGIN is that. */
    char *itself = realpath(program, NULL);
    if (!itself || pipe(ends)) {
        free(itself);
        return NULL;
    }
    *pid = fork();
    if (*pid == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        execl(interpreter, interpreter, "--list", itself, (char *)NULL);
        _exit(OWN_FAILURE);
    }
    free(itself);
    close(ends[1]);
    FILE *lines = *pid > 0 ? fdopen(ends[0], "r") : NULL;
    if (!lines)
        close(ends[0]);
    return lines;
}

static void look_at_libraries(struct search *s, const char *program, const char *interpreter)
{
    pid_t pid = -1;
    int status = -1;
    char *line = NULL;
    size_t room = 0;
    FILE *lines = list_libraries(program, interpreter, &pid);
    while (lines && getline(&line, &room, lines) > 0)
        look_at_line(s, line);
    free(line);
    if (lines)
        fclose(lines);
    if (pid > 0)
        waitpid(pid, &status, 0);
    if (!s->libraries && !s->gave_up)
        row_remedy(report_add(s->report, "libraries", STATUS_WARNING, "%s does not list the libraries of %s",
                              interpreter, program),
                   "See what ldd says of it");
}

static void add_sites(const struct search *s)
{
    if (s->symbols.count)
        report_add(s->report, "symbols", STATUS_OK, "madvise is called by its symbol, in %s",
                   s->symbols.objects);
    if (s->patchable.count)
        row_remedy(report_add(s->report, "inline_sites", STATUS_WARNING,
                              "%u inline system call%s in %s, which preloading alone does not see",
                              s->patchable.count, s->patchable.count == 1 ? "" : "s", s->patchable.objects),
                   "KEEPWARM=hooks=plt+inline: keepwarm run -o hooks=plt+inline -- ...");
    if (s->left.count)
        row_remedy(report_add(s->report, "unpatchable", STATUS_WARNING,
                              "%u inline system call%s in %s that cannot be patched (%s)", s->left.count,
                              s->left.count == 1 ? "" : "s", s->left.objects, s->left_why),
                   "Those calls stay as they are. keepwarm sites lists them");
    if (!s->symbols.count && !s->patchable.count)
        row_remedy(
            report_add(s->report, "calls", STATUS_WARNING,
                       "neither it nor the libraries it needs call madvise, libc aside"),
            "What it loads while it runs is not seen here: keepwarm sites PID shows that. Thread stacks "
            "and malloc's arenas are reset by libc itself: -o hooks=libc");
}

/* What hooks=inline takes must be there too: beside the library, installed or built. */
static void add_hooks(struct report *report)
{
    const char *library = doctor_library_path(), *slash = strrchr(library, '/');
    int length = slash ? (int)(slash - library) + 1 : 0;
    char installed[4300], built[4300];
    snprintf(installed, sizeof installed, "%.*skeepwarm/hooks.so", length, library);
    snprintf(built, sizeof built, "%.*shooks.so", length, library);
    if (access(installed, R_OK) && access(built, R_OK))
        row_remedy(report_add(report, "hooks", STATUS_WARNING, "%s is missing: hooks= finds nothing more",
                              installed),
                   "Install libelf-dev and libzydis-dev, and build keepwarm again");
    else
        report_add(report, "hooks", STATUS_OK, "hooks.so is there");
}

void doctor_objects(struct report *report, const char *program, const char *interpreter)
{
    struct search s = {.report = report};
    look_at(&s, program);
    look_at_libraries(&s, program, interpreter);
    add_sites(&s);
    add_hooks(report);
    snprintf(report->hooks, sizeof report->hooks, "%s", s.patchable.count ? "plt+inline" : "plt");
}
