#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "command/doctor.h"
#include "hooks/elf_file.h"

enum { PATH_MOST = 4096, SCRIPTS_DEEP = 5, SCRIPT_LINE = 256 }; /* the kernel's BINPRM_BUF_SIZE */

/* Can this be executed? Returns 0 or an errno. */
static int can_run(const char *path)
{
    struct stat status;
    if (stat(path, &status))
        return errno;
    if (!S_ISREG(status.st_mode))
        return EACCES;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) ? errno : 0;
}

/* As execvp(3) looks: a name with a slash as it is, another in PATH. Returns 0 with the path, or an errno. */
static int find_program(const char *name, char path[PATH_MOST])
{
    snprintf(path, PATH_MOST, "%s", name);
    if (strchr(name, '/') || !name[0])
        return can_run(path);
    const char *folders = getenv("PATH");
    int error = ENOENT;
    for (const char *at = folders ? folders : "/bin:/usr/bin"; at; at = *at ? at + 1 : NULL) {
        int length = (int)strcspn(at, ":");
        snprintf(path, PATH_MOST, "%.*s%s%s", length, at, length ? "/" : "", name);
        int found = can_run(path);
        if (!found)
            return 0;
        error = found == EACCES ? EACCES : error;
        at += length;
    }
    snprintf(path, PATH_MOST, "%s", name);
    return error;
}

/* The words behind #!, or false when the file does not begin so. */
static bool read_script(const char *path, char line[SCRIPT_LINE])
{
    FILE *file = fopen(path, "re");
    bool is_script = file && fgets(line, SCRIPT_LINE, file) && strncmp(line, "#!", 2) == 0;
    if (file)
        fclose(file);
    if (is_script)
        line[strcspn(line, "\n")] = 0;
    return is_script;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* What env runs: its first word that is neither an option nor a variable. NULL when there is none. */
static const char *program_of_env(char **rest)
{
    const char *word;
    while ((word = strtok_r(NULL, " \t", rest)))
        if (word[0] != '-' && !strchr(word, '='))
            return word;
    return NULL;
}

static void add_script(struct report *report, const char *script, const char *program)
{
    static const char *const shells[] = {"sh", "bash", "dash", "zsh", "ksh", "busybox", NULL};
    if (!is_one_of(base_name(program), shells)) {
        report_add(report, "script", STATUS_OK, "%s is a script for %s", script, program);
        return;
    }
    row_remedy(report_add(report, "script", STATUS_WARNING,
                          "%s is a script for %s: the programs that it starts are not looked at here", script,
                          program),
               "keepwarm run %s preloads into those too. Ask keepwarm doctor about each of them, by its path",
               script);
}

/* Follows #! lines from path to the program that the kernel ends at. Returns 0, or an errno with the name of
   the missing interpreter in path. */
static int follow_scripts(struct report *report, char path[PATH_MOST])
{
    char line[SCRIPT_LINE], script[PATH_MOST];
    for (int depth = 0; depth < SCRIPTS_DEEP && read_script(path, line); depth++) {
        char *rest = NULL;
        const char *program = strtok_r(line + 2, " \t", &rest);
        if (!program)
            return ENOEXEC;
        snprintf(script, sizeof script, "%s", path);
        const char *name = strcmp(base_name(program), "env") == 0 ? program_of_env(&rest) : NULL;
        int error = find_program(name ? name : program, path);
        if (error)
            return error;
        add_script(report, script, path);
    }
    return 0;
}

/* PT_INTERP as a string of the file's, or NULL in a static program. */
static const char *interpreter_of(const struct elf_file *file)
{
    size_t count = 0;
    elf_getphdrnum(file->elf, &count);
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(file->elf, (int)i, &header) || header.p_type != PT_INTERP)
            continue;
        bool inside = header.p_offset < file->size && header.p_filesz <= file->size - header.p_offset;
        const char *words = (const char *)file->bytes + header.p_offset;
        return inside && memchr(words, 0, header.p_filesz) ? words : NULL;
    }
    return NULL;
}

/* Would ld.so be told to trust nobody (AT_SECURE)? security/commoncap.c, for whoever runs this. */
static const char *privilege_of(const char *path)
{
    struct stat status;
    struct statvfs mount;
    struct vfs_cap_data capabilities;
    bool ignored = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ||
                   (statvfs(path, &mount) == 0 && mount.f_flag & ST_NOSUID);
    if (ignored || stat(path, &status))
        return NULL;
    if (status.st_mode & S_ISUID && status.st_uid != getuid())
        return "set-user-ID";
    if ((status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && status.st_gid != getgid())
        return "set-group-ID";
    if (getuid() != 0 && getxattr(path, "security.capability", &capabilities, sizeof capabilities) > 0)
        return "a program with file capabilities";
    return NULL;
}

static void add_privilege(struct report *report, const char *path)
{
    const char *privilege = privilege_of(path);
    if (!privilege)
        report_add(report, "privilege", STATUS_OK, "%s gives you no privileges (no AT_SECURE)", path);
    else
        row_remedy(report_add(report, "privilege", STATUS_PROBLEM,
                              "%s is %s: the dynamic linker ignores LD_PRELOAD there (AT_SECURE)", path,
                              privilege),
                   "Run a copy without the bit, or start it as the user that it becomes (systemd: User= and "
                   "AmbientCapabilities=)");
}

static const char link_remedy[] =
    "Link it dynamically: cc without -static; for Rust a -gnu target without crt-static; for Go cgo "
    "(CGO_ENABLED=1, -linkmode=external)";

/* Returns the interpreter when the library can be loaded there, else NULL. */
static const char *add_linking(struct report *report, const char *path, const struct elf_file *file)
{
    const char *interpreter = interpreter_of(file);
    if (!interpreter) {
        row_remedy(report_add(report, "linking", STATUS_PROBLEM,
                              "%s is statically linked: nothing can be preloaded", path),
                   "%s", link_remedy);
        return NULL;
    }
    report_add(report, "linking", STATUS_OK, "dynamic, through %s", interpreter);
    if (strncmp(base_name(interpreter), "ld-musl", 7) == 0) {
        row_remedy(report_add(report, "libc", STATUS_PROBLEM,
                              "%s uses musl: it would not start with keepwarm, which is built for glibc",
                              path),
                   "Build it for glibc (a Debian image in place of Alpine, Rust's -gnu target)");
        return NULL;
    }
    report_add(report, "libc", STATUS_OK, "not musl");
    return interpreter;
}

static void add_elf(struct report *report, const char *path)
{
    struct elf_file file;
    int error = elf_file_open(&file, path);
    if (error == -EACCES) {
        row_remedy(report_add(report, "machine", STATUS_PROBLEM,
                              "%s may be run but not read: its process may not read its own pagemap", path),
                   "chmod +r %s", path);
        return;
    }
    if (error) {
        row_remedy(report_add(report, "machine", STATUS_PROBLEM, "%s: %s", path, elf_error_text(error)),
                   "keepwarm serves 64-bit x86-64 programs: name one, or a script that starts with #!");
        return;
    }
    report_add(report, "machine", STATUS_OK, "%s is an x86-64 program", path);
    add_privilege(report, path);
    const char *interpreter = add_linking(report, path, &file);
    if (interpreter)
        doctor_objects(report, path, interpreter);
    elf_file_close(&file);
}

static int add_missing(struct report *report, const char *name, int error)
{
    bool found = error != ENOENT && error != ENOTDIR;
    struct row *row = report_add(report, "command", STATUS_PROBLEM, "%s: %s", name,
                                 found ? "cannot be executed" : "not found");
    row_remedy(row,
               found ? "chmod +x, or name the program itself" : "Check the name and PATH, or give a path");
    return found ? EXIT_NOT_EXECUTABLE : EXIT_NOT_FOUND;
}

int doctor_program(struct report *report, char *const *command)
{
    char path[PATH_MOST];
    int error = find_program(command[0], path);
    if (error)
        return add_missing(report, command[0], error);
    report_add(report, "command", STATUS_OK, "%s", path);
    error = follow_scripts(report, path);
    if (error)
        return add_missing(report, path, error);
    add_elf(report, path);
    return 0;
}
