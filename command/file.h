/* Reading a whole file, of a disk or of /proc. */
#ifndef COMMAND_FILE_H
#define COMMAND_FILE_H

#include <stddef.h>

/* Its bytes, with a zero after the last; to be freed. NULL with errno: the file cannot be read, is a folder,
   or is larger than FILE_MOST (EFBIG). */
char *file_read(const char *path, size_t *length);

enum { FILE_MOST = 64 << 20 };

#endif
