/* What a seccomp filter would say to the calls that keepwarm makes for its files: asked before the filter is
   installed, as afterwards asking may be what kills. Pure but for the copy. */
#ifndef SHIM_FILTER_H
#define SHIM_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Runs a classic BPF program of count instructions on one system call with all arguments 0. Returns its
   seccomp action, or SECCOMP_RET_KILL_PROCESS when it is none that the kernel would accept. */
uint32_t filter_run(const struct sock_filter *program, size_t count, uint32_t number);

enum filter_verdict {
    FILTER_UNREADABLE,   /* a bad pointer: the kernel will refuse to install it */
    FILTER_SPARES_FILES, /* lets every call that statistics, live file and messages make pass, or fail by
                            errno */
    FILTER_HOSTILE,      /* may kill or trap at one of them */
};

/* Judges a program by its pointer, which may be bad. Not for two threads at once: the second gets HOSTILE. */
enum filter_verdict filter_judge(const struct sock_fprog *program);

#endif
