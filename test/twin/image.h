/* The files that twins map: made, sealed, changed behind the mapping; `content` follows every change. */
#ifndef TWIN_IMAGE_H
#define TWIN_IMAGE_H

#include "twin.h"

enum image_shape { IMAGE_MEMFD, IMAGE_DISK };

/* `pages` may exceed `filled`: the rest is past the end of the file. False: no descriptor to be had. */
bool image_make(struct image *image, enum image_shape shape, unsigned slot, size_t pages, size_t filled);
void image_seal(struct image *image, unsigned seals);
/* Rewrites part of a page through write(2), or through a view that is older than a seal. */
void image_rewrite(struct image *image, size_t page, size_t offset, size_t length, uint8_t value);
/* Makes the file `pages` long; what is cut off reads 0 when it comes back. */
void image_resize(struct image *image, size_t pages);
void image_drop(struct image *image);

#endif
