#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "command/doctor.h"
#include "scan/files.h"
#include "scan/prim.h"
#include "shim/probe.h"

/* Each question is put in a child: a seccomp filter may kill who asks. */

static int with_files(int (*question)(const struct scan_files *))
{
    struct scan_files files;
    int error = scan_files_open(&files);
    return error ? -error : -question(&files);
}

static int ask_files(void)
{
    struct scan_files files;
    return -scan_files_open(&files);
}

static int ask_scan(void)
{
    return with_files(probe_scan);
}

static int ask_query(void)
{
    return with_files(probe_query);
}

static int ask_locks(void)
{
    return -probe_locks();
}

static int ask_zero(void)
{
    struct scan_files files;
    scan_files_open(&files);
    return files.zero < 0 ? ENODEV : 0;
}

static int ask_fork_mark(void)
{
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED || madvise(page, PAGE, MADV_WIPEONFORK) ? errno : 0;
}

static int drop_a_page(int self)
{
    static char page[PAGE] __attribute__((aligned(PAGE)));
    struct iovec range = {page, PAGE};
    return syscall(SYS_process_madvise, self, &range, 1L, ADVICE_DONTNEED, 0) == PAGE ? 0 : errno;
}

static int ask_vector(void)
{
    return drop_a_page((int)syscall(SYS_pidfd_open, getpid(), 0));
}

static int ask_own_vector(void)
{
    return drop_a_page(-10000 /* PIDFD_SELF */);
}

static const char filter_remedy[] =
    "A seccomp filter denies it. Allow it in the sandbox's profile (Docker: --security-opt seccomp=PROFILE; "
    "systemd: SystemCallFilter=)";
static const char new_kernel[] =
    "Use a newer kernel: Debian 13 and Debian 12's backports, Ubuntu 24.04, Fedora 40, RHEL 10 or newer";

static struct row *add_denied(struct report *report, const char *name, enum status status, const char *what,
                              int answer)
{
    if (answer == PROBE_KILLED)
        return report_add(report, name, status, "%s kills the process that calls it", what);
    return report_add(report, name, status, "%s is refused: %s", what, strerror(answer));
}

static bool add_proc(struct report *report)
{
    int answer = probe_in_child(ask_files);
    if (!answer) {
        report_add(report, "proc", STATUS_OK, "/proc/self/pagemap and /proc/self/maps can be opened");
        return true;
    }
    struct row *row =
        add_denied(report, "proc", STATUS_PROBLEM, "Opening /proc/self/pagemap or /proc/self/maps", answer);
    if (answer == ENOENT)
        row_remedy(row, "Mount /proc there (in a chroot: mount -t proc proc /proc)");
    else if (answer == EMFILE || answer == ENFILE)
        row_remedy(row, "Raise the limit of open files: ulimit -n");
    else
        row_remedy(row, "Let the process read its own /proc: a seccomp filter, a security module or "
                        "prctl(PR_SET_DUMPABLE, 0) denies it");
    return false;
}

static void add_scan(struct report *report)
{
    int answer = probe_in_child(ask_scan);
    if (!answer) {
        report_add(report, "pagemap_scan", STATUS_OK, "PAGEMAP_SCAN works");
    } else if (answer == ENOTTY) {
        struct row *row =
            report_add(report, "pagemap_scan", STATUS_PROBLEM, "this kernel has no PAGEMAP_SCAN (Linux 6.7)");
        row_remedy(row, "%s", new_kernel);
    } else {
        row_remedy(add_denied(report, "pagemap_scan", STATUS_PROBLEM, "ioctl(PAGEMAP_SCAN)", answer), "%s",
                   filter_remedy);
    }
}

static void add_query(struct report *report)
{
    int answer = probe_in_child(ask_query);
    if (!answer) {
        report_add(report, "procmap_query", STATUS_OK, "PROCMAP_QUERY works");
    } else if (answer != ENOTTY) {
        row_remedy(add_denied(report, "procmap_query", STATUS_PROBLEM, "ioctl(PROCMAP_QUERY)", answer), "%s",
                   filter_remedy);
    } else if (probe_in_child(ask_zero)) {
        struct row *row = report_add(report, "procmap_query", STATUS_PROBLEM,
                                     "this kernel has no PROCMAP_QUERY (Linux 6.11), and there is no "
                                     "/dev/zero, which keepwarm needs then");
        row_remedy(row, "Make /dev/zero there (mknod -m 666 /dev/zero c 1 5), or use Linux 6.11 or newer");
    } else {
        struct row *row =
            report_add(report, "procmap_query", STATUS_WARNING,
                       "this kernel has no PROCMAP_QUERY (Linux 6.11): only anonymous memory is "
                       "served, and each call costs more");
        row_remedy(row, "Use Linux 6.11 or newer; until then vma=cache in a rule saves most of the cost");
    }
}

static void add_locks(struct report *report)
{
    int answer = probe_in_child(ask_locks);
    if (answer == EPERM || answer == PROBE_KILLED)
        row_remedy(add_denied(report, "msync", STATUS_PROBLEM, "msync", answer), "%s", filter_remedy);
    else
        report_add(report, "msync", STATUS_OK, "msync tells which memory is locked");
}

static void add_fork_mark(struct report *report)
{
    int answer = probe_in_child(ask_fork_mark);
    if (!answer)
        report_add(report, "wipeonfork", STATUS_OK, "a fork child can be told from its parent");
    else
        row_remedy(add_denied(report, "wipeonfork", STATUS_PROBLEM, "madvise(MADV_WIPEONFORK)", answer), "%s",
                   filter_remedy);
}

static void add_vector(struct report *report)
{
    static const char name[] = "process_madvise";
    if (!probe_in_child(ask_own_vector)) {
        report_add(report, name, STATUS_OK, "process_madvise(PIDFD_SELF, MADV_DONTNEED) works");
        return;
    }
    bool by_pidfd = !probe_in_child(ask_vector);
    struct row *row =
        report_add(report, name, STATUS_WARNING,
                   by_pidfd ? "process_madvise drops pages through a pidfd only (PIDFD_SELF came "
                              "with Linux 6.14)"
                            : "process_madvise cannot drop a process's own pages (Linux 6.13)");
    row_remedy(row, "Nothing is lost but batches: a runtime falls back on a call for each range, which is "
                    "served. Linux 6.14 has both, if no seccomp filter denies them");
}

/* What start-up, statistics and resets call besides. The library asks the same, and stands down. */
static void add_other_calls(struct report *report, bool filtered)
{
    bool lives = !filtered || (probe_child_survives(probe_files) && probe_child_survives(probe_resets));
    if (!filtered)
        report_add(report, "seccomp", STATUS_OK, "no seccomp filter");
    else if (lives)
        report_add(report, "seccomp", STATUS_OK, "a seccomp filter, which kills for no call of keepwarm's");
    else
        row_remedy(report_add(report, "seccomp", STATUS_PROBLEM,
                              "a seccomp filter kills the process for a call that keepwarm makes"),
                   "Let it refuse with EPERM in place of killing, or allow what strace -f keepwarm doctor "
                   "shows before the SIGSYS");
}

void doctor_kernel(struct report *report)
{
    if (add_proc(report)) {
        add_scan(report);
        add_query(report);
    }
    add_locks(report);
    add_fork_mark(report);
    add_vector(report);
    add_other_calls(report, probe_is_filtered());
}
