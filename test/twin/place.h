/* Bad places: what stands in a library's way before or while the program runs. */
#ifndef TWIN_PLACE_H
#define TWIN_PLACE_H

/* PLACE(name, text): dashes in names are underscores here. */
#define PLACES(PLACE)                                                                                        \
    PLACE(none, "an ordinary process")                                                                       \
    PLACE(seccomp_errno, "a filter, older than the process, refuses PAGEMAP_SCAN")                           \
    PLACE(seccomp_kill, "a filter, older than the process, kills it for PAGEMAP_SCAN")                       \
    PLACE(seccomp_late, "the program itself installs a filter that kills for PAGEMAP_SCAN")                  \
    PLACE(no_procmap, "PROCMAP_QUERY does not exist, as before Linux 6.11")                                  \
    PLACE(chroot, "no /proc, from the start or after a chroot; then forks")                                  \
    PLACE(closed, "descriptors closed, and replaced, by libc and past it")                                   \
    PLACE(emfile, "no descriptor to be had at the start")                                                    \
    PLACE(locked, "mlockall")                                                                                \
    PLACE(stderr_closed, "messages go into a closed pipe")                                                   \
    PLACE(live_truncated, "the live file is cut to nothing again and again")                                 \
    PLACE(setuid, "privileges dropped, not dumpable; then forks")

enum place {
#define PLACE(name, text) PLACE_##name,
    PLACES(PLACE)
#undef PLACE
        PLACE_COUNT
};

/* A place's number by its name as the command line has it, or -1. */
int place_find(const char *name);
/* The name with dashes. */
const char *place_name(int place);
const char *place_text(int place);
/* What this user may not set up is not run: NULL, or why. */
const char *place_lack(int place, unsigned long machine);
/* Settings to append to KEEPWARM; `folder` may be used for files. */
void place_options(int place, unsigned long episode, const char *folder, char *text, unsigned long room);
/* In the process of an episode: before exec, at the start of main, and before each step. */
void place_before_exec(int place, unsigned long episode);
void place_start(void);
void place_step(void);

#endif
