/* All inline sites of one ELF file. Not for the call path: allocates. */
#ifndef HOOKS_SITE_LIST_H
#define HOOKS_SITE_LIST_H

#include "hooks/elf_file.h"
#include "hooks/site_finder.h"

/* The longest run of bytes that a site can have from its mov to the end of its syscall, if it is patchable.
 */
enum { SITE_BYTES_MOST = SITE_MOV_LONGEST + SITE_BETWEEN_BYTES + 2 };

struct file_site {
    uint64_t mov, syscall; /* addresses as the file has them, before relocation */
    uint64_t function;     /* where its function begins; 0 when unknown */
    const uint8_t *bytes;  /* from the mov on, in the file */
    uint32_t size;         /* how many, up to the end of the syscall */
    uint16_t number;       /* of site_numbers */
    uint8_t mov_length, between;
    uint8_t reason; /* enum site_reason */
};

/* Calls `each` for every inline site of `calls`, patchable or refused, in address order within a segment,
   until it returns false. Returns 0, or -ENOMEM when there was no memory to look into some function (the rest
   was still looked at). */
int site_list(const struct elf_file *file, enum site_calls calls,
              bool (*each)(void *context, const struct file_site *site), void *context);

#endif
