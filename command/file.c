#include "command/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* What is left of a file that is open. */
static char *read_rest(FILE *file, size_t *length)
{
    char *bytes = NULL;
    size_t room = 0;
    *length = 0;
    do {
        room += 1 << 16;
        char *larger = room > FILE_MOST ? NULL : realloc(bytes, room);
        if (!larger) {
            free(bytes);
            errno = room > FILE_MOST ? EFBIG : ENOMEM;
            return NULL;
        }
        bytes = larger;
        *length += fread(bytes + *length, 1, room - 1 - *length, file);
    } while (*length == room - 1);
    bytes[*length] = '\0';
    return bytes;
}

char *file_read(const char *path, size_t *length)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    errno = 0;
    char *bytes = read_rest(file, length);
    int error = errno;
    if (bytes && ferror(file)) {
        free(bytes);
        bytes = NULL;
    }
    fclose(file);
    errno = error;
    return bytes;
}
