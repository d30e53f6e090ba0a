/* Preloaded after the library, so that this constructor runs before the library's own: its calls must be
   right although no settings have been read. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static __attribute__((constructor)) void early(void)
{
    unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 2; i++) {
        memset(page, 1, 4096);
        long result =
            i ? syscall(SYS_madvise, page, 4096L, MADV_DONTNEED) : madvise(page, 4096, MADV_DONTNEED);
        if (result != 0 || page[0] || page[4095])
            exit(77);
    }
    int copy = dup(0);
    if (copy >= 0 && (dup2(copy, 300) != 300 || close(300) || close(copy)))
        exit(78);
}
