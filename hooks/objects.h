/* The ELF objects of this process: what the loader lists, and what only /proc/self/maps shows (other dlmopen
   namespaces). Allocates. */
#ifndef HOOKS_OBJECTS_H
#define HOOKS_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hooks/elf_file.h"

struct object {
    char *path;            /* as maps prints it */
    uint64_t inode;        /* of the mapped file */
    uint32_t major, minor; /* its device */
    uint64_t start, end;   /* of one executable mapping */
    uint64_t offset;       /* of that in the file */
    uint64_t bias;         /* what to add to the file's addresses; set by object_open when not listed */
    bool listed;           /* by the loader, in our namespace */
    bool is_exe;           /* the loader's first */
};

/* What the kernel puts behind the path of a file that was removed or replaced. */
#define OBJECT_DELETED " (deleted)"

struct objects {
    struct object *object;
    size_t count;
    uint64_t loads; /* the loader's count of loads, ever */
};

/* The loader's count of loads, ever. Takes the loader's lock, no more. */
uint64_t objects_loads(void);

/* Lists them, in the loader's order, then the others. Returns 0 or a negative errno, with the list
   empty. To be given back with objects_free. */
int objects_list(struct objects *objects);
void objects_free(struct objects *objects);

/* Opens the object's file and compares it with what is mapped: inode or build-id, and the headers. Returns
   SITE_patchable, and then `file` is to be closed; or SITE_replaced or SITE_unreadable. */
int object_open(struct object *object, struct elf_file *file);

/* Reads this process's memory without a fault where there is none. */
bool memory_read(uint64_t address, void *to, size_t size);

#endif
