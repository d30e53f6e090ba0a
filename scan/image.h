/* Snapshots of file mappings: one shared read-only view for each mapped file, kept while it is used.

   No descriptor is kept, for two reasons: the host may close or reuse any number, and closing any descriptor
   of a file drops the process's fcntl record locks on it (fs/locks.c). A view needs none, and holds the
   inode, so that its number is not given to another file.

   Nothing is ever claimed, so nothing stays claimed after a siglongjmp, a cancellation or a fork: a reader
   notes the image's generation, copies, and asks afterwards whether the generation still stands. A dropped
   view is replaced by readable zeroes at the same address, so that a reader that was late sees wrong bytes,
   not a fault; its range then goes to the real call as a whole, which is exact. */
#ifndef SCAN_IMAGE_H
#define SCAN_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/vma.h"

/* How many files are followed at once. */
enum { IMAGES = 512 };

enum image_kind {
    IMAGE_NONE,    /* no descriptor of the file was found */
    IMAGE_SPECIAL, /* not a regular file or memfd */
    IMAGE_MUTABLE, /* its content may change: nothing to restore from */
    IMAGE_SEALED,  /* a memfd with F_SEAL_WRITE and F_SEAL_SHRINK: its view never changes nor faults */
    IMAGE_STABLE,  /* unchanging by the user's promise: its view is read so that a truncation cannot fault */
};

/* What one image was when it was looked up. */
struct image {
    enum image_kind kind : 8;
    unsigned slot : 16;  /* with generation: which registration this is */
    uint32_t generation; /* of the slot; see image_stands */
    const char *view;    /* for SEALED and STABLE: the file's bytes from offset 0 */
    uint64_t size;       /* of the file when it was registered, bytes */
};

/* Finds the image of a mapped file. Lock-free; false when it is not registered. Signal-safe. */
bool image_find(const struct vma *vma, struct image *image);

/* The same from slot and generation, as they were noted earlier. False when that registration is gone. */
bool image_recall(unsigned slot, uint32_t generation, struct image *image);

/* What the caller's judge said of it; of use only if image_stands says so afterwards. */
uint32_t image_tags(const struct image *image);

/* Asked once for each file, under the lock: which tags shall be kept with it, and whether a rule promises it
   to be stable. path is as maps prints it, cut at 1023 bytes, and may be changed. */
typedef uint32_t image_judge(char *path, bool *promised);

/* Registers the file that is mapped at vma. A rare path: up to a few system calls for each of the process's
   descriptors. Returns 0; -EBUSY when another thread is registering, and -ENFILE when more files are in use
   than keepwarm follows (512): forward this once. After 64 MiB of new files it sweeps, as image_sweep does.
   Signal-safe; blocks signals meanwhile. Stack: 600 bytes. */
int image_register(int maps, const struct vma *vma, image_judge *judge, struct image *image);

/* Is what image_find returned still so, and were bytes that were read from its view since then right? */
bool image_stands(const struct image *image);

/* Drops the images that were not found since the last call, so that a file which the host no longer uses is
   not kept alive. Call it every few seconds. Signal-safe. */
void image_sweep(void);

/* In a fork child, before anything else: frees a lock that another thread of the parent may have held. */
void image_forget_lock(void);

#endif
