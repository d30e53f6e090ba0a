/* Resets memory while another thread writes to it: what mode=verify must call a difference, sooner or later.
   Ends by itself after 20 s; before that, but not in the first second, when standard input ends. */
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 1 << 20, SECONDS = 20, SECONDS_LEAST = 2, RESETS = 200 };

static void *write_for_ever(void *memory)
{
    for (volatile char *byte = memory;; byte = byte + 4096 < (char *)memory + SIZE ? byte + 4096 : memory)
        *byte = 1;
    return NULL;
}

int main(void)
{
    pthread_t thread;
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || pthread_create(&thread, NULL, write_for_ever, memory))
        return 1;
    time_t now, begin = time(NULL);
    do {
        for (int i = 0; i < RESETS; i++)
            if (madvise(memory, SIZE, MADV_DONTNEED))
                return 1;
        now = time(NULL);
    } while (now < begin + SECONDS_LEAST || (now < begin + SECONDS && poll(&input, 1, 0) == 0));
    return 0;
}
