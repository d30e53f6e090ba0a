/* See image.h. */
#include "image.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pair.h"

static int image_open(struct image *image, enum image_shape shape, unsigned slot)
{
    char name[32];
    snprintf(name, sizeof name, "twin-%u", slot);
    if (shape == IMAGE_MEMFD)
        return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    snprintf(image->path, sizeof image->path, "%s/twin-%ld-%u", world.folder, (long)getpid(), slot);
    return open(image->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

bool image_make(struct image *image, enum image_shape shape, unsigned slot, size_t pages, size_t filled)
{
    *image = (struct image){.file = -1, .pages = filled};
    image->file = image_open(image, shape, slot);
    if (image->file < 0) {
        image->path[0] = 0;
        return false;
    }
    image->content = calloc(pages, PAGE);
    for (size_t page = 0; page < filled; page++)
        memset(image->content + page * PAGE, (int)(1 + below(250)), PAGE - below(PAGE / 2));
    if (pwrite(image->file, image->content, filled * PAGE, 0) != (ssize_t)(filled * PAGE))
        fail("cannot write a file of %zu pages in %s", filled, world.folder);
    if (image->path[0] && chance(50)) {
        unlink(image->path);
        image->path[0] = 0;
    }
    return true;
}

void image_seal(struct image *image, unsigned seals)
{
    /* A shared writable view stays usable under F_SEAL_FUTURE_WRITE: that is the row. */
    if (seals & F_SEAL_FUTURE_WRITE) {
        void *view = mmap(NULL, image->pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, image->file, 0);
        image->old_view = view == MAP_FAILED ? NULL : view;
    }
    if (fcntl(image->file, F_ADD_SEALS, seals) != 0)
        fail("cannot seal a memfd (%#x)", seals);
}

void image_rewrite(struct image *image, size_t page, size_t offset, size_t length, uint8_t value)
{
    uint8_t *at = image->content + page * PAGE + offset;
    if (page >= image->pages || (!image->old_view && image->file < 0))
        return;
    memset(at, value, length);
    if (image->old_view)
        memset(image->old_view + page * PAGE + offset, value, length);
    else if (pwrite(image->file, at, length, (off_t)(page * PAGE + offset)) != (ssize_t)length)
        fail("cannot rewrite a file behind its mapping");
}

void image_resize(struct image *image, size_t pages)
{
    if (image->file < 0)
        return;
    if (ftruncate(image->file, (off_t)(pages * PAGE)) != 0)
        fail("cannot set a file's size behind its mapping");
    if (pages < image->pages)
        memset(image->content + pages * PAGE, 0, (image->pages - pages) * PAGE);
    image->pages = pages;
}

void image_drop(struct image *image)
{
    if (image->old_view)
        munmap(image->old_view, image->pages * PAGE);
    if (image->file >= 0)
        close(image->file);
    if (image->path[0])
        unlink(image->path);
    free(image->content);
    *image = (struct image){.file = -1};
}
