/* Resets at system call instructions of Go's code, which may be on a stack of which 800 bytes are left. This
   program says of itself, by the note below, that it is Go's. */
#include "test/places/place.h"
#include "test/places/stack_use.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

enum { PAGES = 512, USE_MOST = 512, RESETS = 200, INTERRUPTIONS = 300 };

__asm__(".pushsection .note.go.buildid, \"a\", @note\n"
        "  .p2align 2\n"
        "  .long 4, 4, 4\n"
        "  .ascii \"Go\\0\\0\"\n"
        "  .ascii \"test\"\n"
        ".popsection\n");

/* C's, with a frame description: on a stack as any other. */
int c_madvise(void *address, size_t length, int advice);
__asm__(".globl c_madvise\n"
        ".type c_madvise, @function\n"
        "c_madvise:\n"
        "  .cfi_startproc\n"
        "  mov $28, %eax\n"
        "  syscall\n"
        "  ret\n"
        "  .cfi_endproc\n"
        ".size c_madvise, .-c_madvise\n");

static unsigned char *memory;

/* Of a range with a dirty page in so many. */
static int uses_little(size_t pages, size_t stride)
{
    memory = dirty_memory(pages * PLACE_PAGE);
    size_t most = stack_most_use(site_madvise, memory, pages * PLACE_PAGE, stride * PLACE_PAGE);
    printf("  %zu bytes of stack\n", most);
    EXPECT(most <= USE_MOST);
    SKIP_UNLESS(counter("served") > RESETS / 2 || counter("declined.no_rule"),
                "this instruction is not hooked");
    return CASE_PASSED;
}

static int of_c(void)
{
    memory = dirty_memory(PAGES * PLACE_PAGE);
    size_t most = stack_most_use(c_madvise, memory, PAGES * PLACE_PAGE, 170 * PLACE_PAGE);
    SKIP_UNLESS(counter("served") > RESETS / 2, "this instruction is not hooked");
    EXPECT(most > USE_MOST && most < 2048);
    return CASE_PASSED;
}

static int few(void)
{
    return uses_little(PAGES, 170);
}

static int many(void)
{
    return uses_little(PAGES, 5);
}

static int all(void)
{
    return uses_little(4, 1);
}

static unsigned char *handlers;
static volatile sig_atomic_t handled, wrong;
static volatile bool jumps;
static sigjmp_buf back;

static void touch(unsigned char *start, size_t dirty)
{
    for (size_t i = 0; i < dirty; i++)
        start[i * (PAGES / dirty) * PLACE_PAGE] = 1;
}

static bool is_fresh(const unsigned char *start)
{
    for (size_t at = 0; at < PAGES * PLACE_PAGE; at += PLACE_PAGE)
        if (start[at])
            return false;
    return true;
}

/* In the middle of a reset, on a stack of its own, as Go's handlers are. */
static void interrupt(int number)
{
    (void)number;
    touch(handlers, 40);
    wrong |= site_madvise(handlers, PAGES * PLACE_PAGE, MADV_DONTNEED) != 0 || !is_fresh(handlers);
    handled++;
    if (jumps)
        siglongjmp(back, 1);
}

static void ring_in(long microseconds)
{
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {0, microseconds}}, NULL);
}

static int interrupted(bool jumping)
{
    static unsigned char handler_stack[64 << 10];
    memory = dirty_memory(PAGES * PLACE_PAGE);
    handlers = dirty_memory(PAGES * PLACE_PAGE);
    EXPECT(sigaltstack(&(stack_t){.ss_sp = handler_stack, .ss_size = sizeof handler_stack}, NULL) == 0);
    alarm(0);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = interrupt, .sa_flags = SA_ONSTACK}, NULL);
    while (handled < INTERRUPTIONS) {
        jumps = jumping;
        if (sigsetjmp(back, 1) == 0) {
            int before = handled;
            ring_in(1 + random() % 300);
            while (handled == before) {
                touch(memory, 60);
                EXPECT(site_madvise(memory, PAGES * PLACE_PAGE, MADV_DONTNEED) == 0 && is_fresh(memory));
            }
        }
    }
    EXPECT(!wrong);
    jumps = false;
    uint64_t served = counter("served");
    SKIP_UNLESS(served, "this instruction is not hooked");
    for (int i = 0; i < 100; i++) {
        touch(memory, 60);
        EXPECT(site_madvise(memory, PAGES * PLACE_PAGE, MADV_DONTNEED) == 0 && is_fresh(memory));
    }
    EXPECT(counter("served") == served + 100);
    return CASE_PASSED;
}

static int handler_that_resets(void)
{
    return interrupted(false);
}

static int jumps_out_of_a_handler(void)
{
    return interrupted(true);
}

int main(int argc, char **argv)
{
    static const char hooks[] = "hooks=inline";
    static const struct place_case cases[] = {
        {"of_c", NULL, hooks, of_c},
        {"few", NULL, hooks, few},
        {"few_cached", "any,vma=cache", hooks, few},
        {"few_verified", NULL, "hooks=inline,mode=verify", few},
        {"few_of_no_rule", "file=/nowhere", hooks, few},
        {"many", NULL, hooks, many},
        {"many_cached", "any,vma=cache", hooks, many},
        {"all", NULL, hooks, all},
        {"all_cached", "any,vma=cache", hooks, all},
        {"handler_that_resets", NULL, hooks, handler_that_resets},
        {"handler_that_resets_cached", "any,vma=cache", hooks, handler_that_resets},
        {"jumps_out_of_a_handler", NULL, hooks, jumps_out_of_a_handler},
    };
    return place_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
