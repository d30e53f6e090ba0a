/* What the kernel says of one mapping: PROCMAP_QUERY (Linux 6.11), or /proc/self/maps read as text. */
#ifndef SCAN_VMA_H
#define SCAN_VMA_H

#include <stddef.h>
#include <stdint.h>

/* The kernel's PROCMAP_QUERY_VMA_ bits. */
enum { VMA_READABLE = 1, VMA_WRITABLE = 2, VMA_EXECUTABLE = 4, VMA_SHARED = 8 };

struct vma {
    uintptr_t start, end;
    uint64_t offset; /* of start in the file, bytes */
    uint64_t inode;  /* 0: no file */
    uint32_t device_major, device_minor;
    uint32_t flags;     /* VMA_ bits */
    uint32_t page_size; /* bytes; more than 4096 is hugetlb. The text does not tell: then 4096 */
};

/* The mapping that holds address. maps is a descriptor of /proc/self/maps. Returns 0; -ENOENT for a hole;
   -ENOTTY before Linux 6.11; another negative errno when maps is not what it should be. 200 ns on 6.18.
   Signal-safe. */
int vma_query(int maps, uintptr_t address, struct vma *vma);

/* The same, with the mapping's path as the kernel prints it in maps, cut to size bytes and terminated; ""
   when it has none. Returns as vma_query, and -ENAMETOOLONG. */
int vma_query_name(int maps, uintptr_t address, struct vma *vma, char *name, size_t size);

/* The same from the text of maps, for Linux 6.7 to 6.10: microseconds for each hundred mappings, and true
   only until the next mapping call. name may be NULL. Uses 600 bytes of stack. */
int vma_read(int maps, uintptr_t address, struct vma *vma, char *name, size_t size);

/* Is any of [start, start+length) locked by mlock or missing? PROCMAP_QUERY does not show locks, but
   msync(MS_INVALIDATE) refuses them and does nothing else (mm/msync.c). Returns 0, -EBUSY (locked),
   -ENOMEM (a hole), or another negative errno. Signal-safe. */
int vma_check_unlocked(uintptr_t start, size_t length);

#endif
