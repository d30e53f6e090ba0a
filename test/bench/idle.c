/* A madvise that leaves large ranges as they are: what a broken reset looks like to the workloads' own
   checks. It keeps its word for small ranges, so that an allocator's test of madvise at start-up passes. */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SMALL ((size_t)64 << 10)

int madvise(void *start, size_t length, int advice)
{
    if (advice == MADV_DONTNEED && length > SMALL)
        return 0;
    return (int)syscall(SYS_madvise, start, length, advice);
}
