/* The steps an episode is made of. Each applies to one pair, does the same to both sides, and compares. */
#ifndef TWIN_OPS_H
#define TWIN_OPS_H

#include "twin.h"

/* fill.c: what writes and reads */
void op_fill(struct pair *pair);
void op_scatter(struct pair *pair);
void op_read(struct pair *pair);
void op_read_write(struct pair *pair);
void op_read_call(struct pair *pair);
void op_vm_writev(struct pair *pair);
void op_proc_mem(struct pair *pair);
void op_rewrite(struct pair *pair);
void op_resize(struct pair *pair);
/* The fault-safe store, alike on both sides, without a comparison. */
void fill_pages(struct pair *pair, size_t first, size_t end, size_t stride, uint8_t value);
/* A few of these, chosen at random: what a program does between two resets. */
void fill_some(struct pair *pair);

/* map.c: what changes mappings */
void op_protect(struct pair *pair);
void op_unmap(struct pair *pair);
void op_map_over(struct pair *pair);
void op_remap(struct pair *pair);
void op_renew(struct pair *pair);
void op_lock(struct pair *pair);
void op_guard(struct pair *pair);
void op_free(struct pair *pair);
void op_page_out(struct pair *pair);
void op_huge(struct pair *pair);
void op_fork_advice(struct pair *pair);
void op_stop(struct pair *pair);
/* MADV_WIPEONFORK, MADV_DONTFORK and their opposites on some of the pages. */
void map_advise_fork(struct pair *pair, int advice);

/* vector.c */
void op_vector(struct pair *pair);

/* process.c */
void op_fork(struct pair *pair);
void op_vfork(struct pair *pair);
void op_close(struct pair *pair);

/* thread.c */
void op_threads(struct pair *pair);
void op_cancel(struct pair *pair);
void op_signal(struct pair *pair);
void op_interrupt(struct pair *pair);
void op_jump(struct pair *pair);

/* stack.c */
void op_small_stack(struct pair *pair);
void op_own_stack(struct pair *pair);

/* uffd.c */
void op_uffd(struct pair *pair);
void op_uffd_register(struct pair *pair);

/* special.c */
void op_vvar(struct pair *pair);
void op_ksm(struct pair *pair);
void op_pkey(struct pair *pair);
void special_early(void);

#endif
