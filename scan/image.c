#include "scan/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "scan/prim.h"

#ifndef F_GET_SEALS
#define F_GET_SEALS 1034
#endif
#define SEALS_NEEDED (0x0002 /* F_SEAL_SHRINK */ | 0x0008 /* F_SEAL_WRITE */)

enum { IMAGES_BITS = 9, PROBES = 8 };
/* After so many bytes of new images those are let go that were not found lately: a program that maps one file
   after another would else hold them all until the next sweep by time. */
#define FRESH_MOST ((uint64_t)64 << 20)
_Static_assert(IMAGES == 1 << IMAGES_BITS, "the hash gives an index");

/* generation is odd while the slot holds an image; readers trust the other fields only if it is the same
   odd number before and after. */
struct slot {
    uint32_t generation;
    uint32_t used; /* found since the last sweep */
    uint64_t device, inode;
    uint64_t kind, size, tags;
    uintptr_t view, capacity; /* the address range stays ours, image or not */
};

static struct {
    int lock;       /* 1 while a thread registers or sweeps; its signals are blocked meanwhile */
    uint64_t fresh; /* bytes of the images that were registered since the last sweep */
    struct slot slots[IMAGES];
} images;

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define STORE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

static uint64_t device_of(const struct vma *vma)
{
    return makedev(vma->device_major, vma->device_minor);
}

static unsigned first_slot(const struct vma *vma)
{
    return (unsigned)((vma->inode * 0x9e3779b97f4a7c15ULL) >> (64 - IMAGES_BITS));
}

bool image_stands(const struct image *image)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return LOAD(images.slots[image->slot].generation) == image->generation;
}

uint32_t image_tags(const struct image *image)
{
    return (uint32_t)LOAD(images.slots[image->slot].tags);
}

static void read_fields(unsigned index, uint32_t generation, struct image *image)
{
    struct slot *slot = &images.slots[index];
    *image = (struct image){
        .kind = (enum image_kind)LOAD(slot->kind),
        .slot = index,
        .generation = generation,
        .view = (const char *)LOAD(slot->view),
        .size = LOAD(slot->size),
    };
    if (!LOAD(slot->used))
        STORE(slot->used, 1);
}

bool image_recall(unsigned index, uint32_t generation, struct image *image)
{
    if (index >= IMAGES || !(generation & 1) ||
        __atomic_load_n(&images.slots[index].generation, __ATOMIC_ACQUIRE) != generation)
        return false;
    read_fields(index, generation, image);
    return image_stands(image);
}

static bool read_slot(unsigned index, const struct vma *vma, struct image *image)
{
    struct slot *slot = &images.slots[index];
    uint32_t generation = __atomic_load_n(&slot->generation, __ATOMIC_ACQUIRE);
    return LOAD(slot->inode) == vma->inode && LOAD(slot->device) == device_of(vma) &&
           image_recall(index, generation, image);
}

bool image_find(const struct vma *vma, struct image *image)
{
    unsigned first = first_slot(vma);
    for (unsigned i = 0; i < PROBES; i++)
        if (read_slot((first + i) % IMAGES, vma, image))
            return true;
    return false;
}

static bool lock(uint64_t *signals)
{
    *signals = prim_block_signals();
    int free_lock = 0;
    if (__atomic_compare_exchange_n(&images.lock, &free_lock, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return true;
    prim_restore_signals(*signals);
    return false;
}

static void unlock(uint64_t signals)
{
    __atomic_store_n(&images.lock, 0, __ATOMIC_RELEASE);
    prim_restore_signals(signals);
}

void image_forget_lock(void)
{
    __atomic_store_n(&images.lock, 0, __ATOMIC_RELEASE);
}

/* ---- finding the file ---- */

/* What a descriptor of the mapped file may serve as, and a view through it. */
struct candidate {
    enum image_kind kind;
    uint64_t size;
    uintptr_t view; /* a fresh mapping, not yet in a slot; 0: none */
};

static bool is_mapped_file(const struct stat *status, const struct vma *vma)
{
    return status->st_ino == vma->inode && status->st_dev == device_of(vma);
}

/* Maps a whole file read-only and asks the kernel whether the mapping really is of the wanted inode: the
   number may have been closed and reused since it was looked at. */
static uintptr_t map_view(int maps, int fd, const struct vma *vma, uint64_t size)
{
    long view = prim_mmap(0, size, PROT_READ, MAP_SHARED, fd, 0);
    if (prim_failed(view))
        return 0;
    struct vma mapped;
    if (vma_query(maps, (uintptr_t)view, &mapped) == 0 && mapped.inode == vma->inode &&
        device_of(&mapped) == device_of(vma))
        return (uintptr_t)view;
    prim_munmap((uintptr_t)view, size);
    return 0;
}

/* Judges one descriptor of the right file. Seals can be added but never taken back. */
static void judge(int maps, int fd, const struct stat *status, const struct vma *vma, bool promised,
                  struct candidate *found)
{
    if (!S_ISREG(status->st_mode)) {
        found->kind = IMAGE_SPECIAL;
        return;
    }
    long seals = prim_fcntl(fd, F_GET_SEALS, 0);
    bool sealed = !prim_failed(seals) && (seals & SEALS_NEEDED) == SEALS_NEEDED;
    found->kind = IMAGE_MUTABLE;
    if ((!sealed && !promised) || status->st_size == 0)
        return;
    uint64_t size = ((uint64_t)status->st_size + PAGE - 1) / PAGE * PAGE;
    found->view = map_view(maps, fd, vma, size);
    if (found->view) {
        found->kind = sealed ? IMAGE_SEALED : IMAGE_STABLE;
        found->size = size;
    }
}

/* struct linux_dirent64 */
struct directory_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

static int parse_decimal(const char *text)
{
    int value = 0;
    if (*text < '0' || *text > '9')
        return -1;
    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (*text - '0');
    return value;
}

/* The host's own descriptors, by number: nothing is opened, so nothing is closed. */
static void search_descriptors(int maps, const struct vma *vma, bool promised, struct candidate *found)
{
    /* Guarded by the lock; too large for a coroutine's stack. */
    static union {
        char bytes[2048];
        struct directory_entry aligned;
    } buffer;
    long directory = prim_open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (prim_failed(directory))
        return;
    for (;;) {
        long length = prim_call3(SYS_getdents64, directory, (long)buffer.bytes, sizeof buffer.bytes);
        if (length <= 0)
            break;
        for (long at = 0; at < length && !found->view;) {
            struct directory_entry *entry = (struct directory_entry *)(buffer.bytes + at);
            at += entry->length;
            int fd = parse_decimal(entry->name);
            struct stat status;
            if (fd >= 0 && fd != directory && prim_fstat(fd, &status) == 0 && is_mapped_file(&status, vma))
                judge(maps, fd, &status, vma, promised, found);
        }
        if (found->view || found->kind == IMAGE_SPECIAL)
            break;
    }
    prim_close((int)directory);
}

/* Guarded by the lock, and on nobody's small stack. */
static struct {
    struct stat status;
    struct statfs filesystem;
    char path[64];
} scratch;

/* Opening and closing a file drops the process's fcntl locks on it: done only for a file that is promised
   stable, or that is a memfd by its name and its filesystem. */
static void search_path(int maps, const char *path, const struct vma *vma, bool promised,
                        struct candidate *found)
{
    long handle = prim_open(path, O_PATH | O_CLOEXEC, 0);
    if (prim_failed(handle))
        return;
    struct stat *status = &scratch.status;
    bool right =
        prim_fstat((int)handle, status) == 0 && is_mapped_file(status, vma) && S_ISREG(status->st_mode);
    if (right && !promised)
        right = prim_call3(SYS_fstatfs, handle, (long)&scratch.filesystem, 0) == 0 &&
                scratch.filesystem.f_type == TMPFS_MAGIC;
    prim_close((int)handle);
    long fd = right ? prim_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0) : -1;
    if (prim_failed(fd))
        return;
    if (prim_fstat((int)fd, status) == 0 && is_mapped_file(status, vma))
        judge(maps, (int)fd, status, vma, promised, found);
    prim_close((int)fd);
}

static char *append_hex(char *at, uint64_t value)
{
    int digits = 1;
    while (digits < 16 && value >> (4 * digits))
        digits++;
    while (digits-- > 0)
        *at++ = "0123456789abcdef"[value >> (4 * digits) & 15];
    return at;
}

/* Readable only with CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN (fs/proc/base.c). */
static void map_files_path(const struct vma *vma, char path[64])
{
    static const char prefix[] = "/proc/self/map_files/";
    char *at = path;
    for (const char *from = prefix; *from; from++)
        *at++ = *from;
    at = append_hex(at, vma->start);
    *at++ = '-';
    at = append_hex(at, vma->end);
    *at = 0;
}

static bool is_memfd_name(const char *name)
{
    static const char prefix[] = "/memfd:";
    for (unsigned i = 0; prefix[i]; i++)
        if (name[i] != prefix[i])
            return false;
    return true;
}

static struct candidate find_file(int maps, const struct vma *vma, const char *name, bool promised)
{
    struct candidate found = {IMAGE_NONE, 0, 0};
    search_descriptors(maps, vma, promised, &found);
    bool may_open = promised || is_memfd_name(name);
    if (found.view || found.kind == IMAGE_SPECIAL || !may_open)
        return found;
    map_files_path(vma, scratch.path);
    search_path(maps, scratch.path, vma, promised, &found);
    if (!found.view && promised && name[0] == '/')
        search_path(maps, name, vma, promised, &found);
    return found;
}

/* ---- the slots ---- */

/* Moves a fresh view into the slot's own address range, which then never goes away. */
static bool place_view(struct slot *slot, struct candidate *found)
{
    if (!found->view)
        return true;
    if (slot->capacity < found->size) {
        uintptr_t capacity = 1 << 16;
        while (capacity < found->size)
            capacity *= 2;
        long range = prim_mmap(0, capacity, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (prim_failed(range))
            return false;
        STORE(slot->view, (uintptr_t)range);
        slot->capacity = capacity;
    }
    long moved = prim_call6(SYS_mremap, (long)found->view, (long)found->size, (long)found->size,
                            MREMAP_MAYMOVE | MREMAP_FIXED, (long)slot->view, 0);
    return !prim_failed(moved);
}

/* The generation turns even before the bytes change: a reader that got any of the new bytes sees it. */
static void empty_slot(struct slot *slot)
{
    __atomic_store_n(&slot->generation, slot->generation + 1, __ATOMIC_SEQ_CST);
    if (LOAD(slot->kind) >= IMAGE_SEALED)
        prim_mmap(slot->view, slot->capacity, PROT_READ,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

static struct slot *choose_slot(const struct vma *vma)
{
    unsigned first = first_slot(vma);
    struct slot *empty = NULL;
    for (unsigned i = 0; i < PROBES; i++) {
        struct slot *slot = &images.slots[(first + i) % IMAGES];
        if (!(slot->generation & 1) && !empty)
            empty = slot;
    }
    for (unsigned i = 0; i < PROBES && !empty; i++) {
        struct slot *slot = &images.slots[(first + i) % IMAGES];
        if (!LOAD(slot->used)) {
            empty_slot(slot);
            empty = slot;
        }
    }
    return empty;
}

static void fill_slot(struct slot *slot, const struct vma *vma, struct candidate *found, uint32_t tags)
{
    if (!place_view(slot, found)) {
        prim_munmap(found->view, found->size);
        found->kind = IMAGE_NONE;
    }
    STORE(slot->device, device_of(vma));
    STORE(slot->inode, vma->inode);
    STORE(slot->kind, (uint64_t)found->kind);
    STORE(slot->size, found->size);
    STORE(slot->tags, tags);
    STORE(slot->used, 1);
    __atomic_store_n(&slot->generation, slot->generation + 1, __ATOMIC_RELEASE);
}

static void sweep(void)
{
    images.fresh = 0;
    for (unsigned i = 0; i < IMAGES; i++) {
        struct slot *slot = &images.slots[i];
        if (!(slot->generation & 1))
            continue;
        /* What could not be restored from is asked again: the file may be sealed by now. */
        if (LOAD(slot->used) && slot->kind >= IMAGE_SEALED)
            STORE(slot->used, 0);
        else
            empty_slot(slot);
    }
}

/* A path too long to read is as good as none. */
static void read_path(int maps, const struct vma *vma, char *path, size_t size)
{
    struct vma again;
    if (vma_query_name(maps, vma->start, &again, path, size) != 0)
        path[0] = 0;
}

/* Deep, and rare: it does not belong in the frame of a caller. */
__attribute__((noinline)) int image_register(int maps, const struct vma *vma, image_judge *judge_path,
                                             struct image *image)
{
    static char path[1024], shown[1024]; /* guarded by the lock */
    uint64_t signals;
    if (!lock(&signals))
        return -EBUSY;
    /* Another thread may have been here first: its view may be in use. */
    bool found = image_find(vma, image);
    struct slot *slot = found ? NULL : choose_slot(vma);
    if (slot) {
        bool promised = false;
        read_path(maps, vma, path, sizeof path);
        __builtin_memcpy(shown, path, sizeof path);
        uint32_t tags = judge_path(shown, &promised);
        struct candidate candidate = find_file(maps, vma, path, promised);
        images.fresh += candidate.size;
        if (images.fresh > FRESH_MOST)
            sweep();
        fill_slot(slot, vma, &candidate, tags);
        found = image_find(vma, image);
    }
    unlock(signals);
    return found ? 0 : -ENFILE;
}

void image_sweep(void)
{
    uint64_t signals;
    if (!lock(&signals))
        return;
    sweep();
    unlock(signals);
}
