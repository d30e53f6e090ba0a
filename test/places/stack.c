/* Resets on small stacks: how much they use, and ranges that hold the caller's own stack. */
#include "test/places/place.h"
#include "test/places/stack_use.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { USE_MAX = 2048 };

static int plain_madvise(void *address, size_t length, int advice)
{
    return madvise(address, length, advice);
}

/* By which a case makes its resets. */
static int (*make_reset)(void *, size_t, int) = plain_madvise;

static size_t use_of(unsigned char *memory, size_t length)
{
    return stack_use(make_reset, memory, length);
}

/* The most that any of several resets of scattered pages uses. */
static size_t most_use(unsigned char *memory, size_t length, size_t stride)
{
    return stack_most_use(make_reset, memory, length, stride);
}

static int report(const char *what, size_t use)
{
    printf("  %s: %zu bytes of stack\n", what, use);
    EXPECT(use < USE_MAX);
    return CASE_PASSED;
}

/* Where few are expected no vector is borrowed. */
static size_t most_use_of_many_and_few(unsigned char *memory, size_t length)
{
    size_t many = most_use(memory, length, 3 * PLACE_PAGE), few = most_use(memory, length, length / 2);
    return many > few ? many : few;
}

static int anonymous(void)
{
    size_t length = 1024 * PLACE_PAGE;
    unsigned char *memory = dirty_memory(length);
    uint64_t served = counter("served");
    size_t use = most_use_of_many_and_few(memory, length);
    EXPECT(counter("served") > served + 100);
    return report("1024 pages", use);
}

/* The most that resets use until slices, and pairs of them, have ended in some of them. */
static size_t most_use_in_turns(size_t pages, size_t stride)
{
    unsigned char *memory = dirty_memory(pages * PLACE_PAGE);
    size_t most = 0;
    while (counter("served") < 20000 || counter("declined.off_arm") < 20000) {
        size_t use = most_use(memory, pages * PLACE_PAGE, stride * PLACE_PAGE);
        most = use > most ? use : most;
    }
    return most;
}

static int in_turns(void)
{
    return report("mode=ab", most_use_in_turns(8, 1));
}

/* Most go as the one before did. */
static int steady(void)
{
    return report("5 of 64 pages, mode=ab", most_use_in_turns(64, 13));
}

static int by_number(void *address, size_t length, int advice)
{
    return (int)syscall(SYS_madvise, address, length, advice);
}

static int numbers(void)
{
    unsigned char *memory = dirty_memory(1024 * PLACE_PAGE);
    make_reset = by_number;
    size_t use = most_use_of_many_and_few(memory, 1024 * PLACE_PAGE);
    return report("syscall(SYS_madvise)", use);
}

static int steady_numbers(void)
{
    make_reset = by_number;
    return steady();
}

static int sites(void)
{
    unsigned char *memory = dirty_memory(1024 * PLACE_PAGE);
    uint64_t served = counter("served");
    make_reset = site_madvise;
    size_t use = most_use_of_many_and_few(memory, 1024 * PLACE_PAGE);
    SKIP_UNLESS(counter("served") > served + 100, "this instruction is not hooked");
    return report("at a site", use);
}

static struct iovec one_range;

static int vector_of_one(void *address, size_t length, int advice)
{
    enum { SELF_THREAD = -10000 };
    one_range = (struct iovec){address, length};
    return process_madvise(SELF_THREAD, &one_range, 1, advice, 0) == (ssize_t)length ? 0 : -1;
}

static int vectors(void)
{
    unsigned char *memory = dirty_memory(64 * PLACE_PAGE);
    SKIP_UNLESS(vector_of_one(memory, PLACE_PAGE, MADV_DONTNEED) == 0,
                "process_madvise on itself: Linux 6.14");
    make_reset = vector_of_one;
    size_t use = most_use_of_many_and_few(memory, 64 * PLACE_PAGE);
    return report("a vector", use);
}

static int small_blind(void)
{
    unsigned char *memory = dirty_memory(4 * PLACE_PAGE);
    size_t use = most_use(memory, 4 * PLACE_PAGE, PLACE_PAGE);
    EXPECT(counter("served") == 200);
    return report("4 dense pages", use);
}

/* Maps a sealed image over the first 16 pages. *descriptor stays open. */
static int map_image(unsigned char *memory, int *descriptor)
{
    int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    EXPECT(ftruncate(fd, 16 * PLACE_PAGE) == 0);
    EXPECT(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    EXPECT(mmap(memory, 16 * PLACE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) == memory);
    *descriptor = fd;
    return CASE_PASSED;
}

/* The first reset looks for the file among the descriptors, then by its path. */
static int image_and_anonymous(void)
{
    for (int closed = 0; closed < 2; closed++) {
        unsigned char *memory = dirty_memory(64 * PLACE_PAGE);
        int descriptor;
        EXPECT(map_image(memory, &descriptor) == CASE_PASSED);
        EXPECT(!closed || close(descriptor) == 0);
        uint64_t served = counter("served");
        size_t use = most_use(memory, 64 * PLACE_PAGE, 2 * PLACE_PAGE);
        EXPECT(counter("served") > served + 100);
        EXPECT(report(closed ? "image whose file is closed" : "image and anonymous memory", use) ==
               CASE_PASSED);
    }
    return CASE_PASSED;
}

static int many_pieces(void)
{
    unsigned char *memory = dirty_memory(64 * PLACE_PAGE);
    for (size_t i = 0; i < 8; i += 2) /* of different names or flags, so that they do not merge */
        madvise(memory + i * 8 * PLACE_PAGE, 8 * PLACE_PAGE, MADV_DONTDUMP);
    size_t use = most_use(memory, 64 * PLACE_PAGE, PLACE_PAGE);
    EXPECT(counter("served") == 200);
    return report("8 mappings", use);
}

static int declined(void)
{
    unsigned char *memory = dirty_memory(64 * PLACE_PAGE);
    EXPECT(mprotect(memory, PLACE_PAGE, PROT_READ) == 0);
    size_t use = 0;
    for (int i = 0; i < 20; i++) {
        size_t one = use_of(memory, PLACE_PAGE);
        use = one > use ? one : use;
    }
    EXPECT(counter("served") == 0);
    return report("a declined call", use);
}

/* The longest ways that mode=observe goes: a file that is looked for among the descriptors, then a protected
   piece, whose name is asked for. */
static int observed(void)
{
    unsigned char *memory = dirty_memory(64 * PLACE_PAGE);
    int descriptor;
    EXPECT(map_image(memory, &descriptor) == CASE_PASSED && close(descriptor) == 0);
    EXPECT(mprotect(memory + 63 * PLACE_PAGE, PLACE_PAGE, PROT_READ) == 0);
    size_t use = most_use(memory, 63 * PLACE_PAGE, 2 * PLACE_PAGE), with_protected = 0;
    for (int i = 0; i < 20; i++) {
        size_t one = use_of(memory, 64 * PLACE_PAGE);
        with_protected = one > with_protected ? one : with_protected;
    }
    EXPECT(counter("declined.observing") >= 220 && counter("served") == 0);
    EXPECT(report("observed, with a protected piece", with_protected) == CASE_PASSED);
    return report("observed", use);
}

/* ---- a stack that is itself discarded ---- */

enum { OWN_PAGES = 8, PIDFD_SELF_THREAD = -10000 };

enum way { BY_NAME, BY_NUMBER, BY_VECTOR, BY_VECTOR_NUMBER };

/* As stack_call, for any function of up to six arguments. */
long stack_call_with(void *top, void *function, const long arguments[6]);
__asm__(".globl stack_call_with\n"
        "stack_call_with:\n"
        "  push %rbp\n"
        "  mov %rsp, %rbp\n"
        "  mov %rdi, %rsp\n"
        "  mov %rsi, %rax\n"
        "  mov %rdx, %r10\n"
        "  mov (%r10), %rdi\n"
        "  mov 8(%r10), %rsi\n"
        "  mov 16(%r10), %rdx\n"
        "  mov 24(%r10), %rcx\n"
        "  mov 32(%r10), %r8\n"
        "  mov 40(%r10), %r9\n"
        "  call *%rax\n"
        "  mov %rbp, %rsp\n"
        "  pop %rbp\n"
        "  ret\n");

static unsigned char *own_stack(void)
{
    return dirty_memory(2 * OWN_PAGES * PLACE_PAGE);
}

/* Discards all below the caller's frame. The stack pointer is depth bytes above a page when the call is made;
   its return address is what lies lowest. */
static int discard_below(size_t depth, enum way way)
{
    const bool vector = way == BY_VECTOR || way == BY_VECTOR_NUMBER;
    const char *reason = vector ? "declined.vector" : "declined.own_stack";
    const long length = OWN_PAGES * PLACE_PAGE;
    unsigned char *stack = own_stack(), *middle = stack + OWN_PAGES * PLACE_PAGE;
    static struct iovec range; /* not on the stack that goes */
    range = (struct iovec){stack, (size_t)length};
    uint64_t before = counter(reason), served = counter("served");
    long result;
    if (way == BY_NUMBER)
        result = stack_call_with(middle + depth, (void *)syscall,
                                 (long[6]){SYS_madvise, (long)stack, length, MADV_DONTNEED});
    else if (way == BY_VECTOR)
        result = stack_call_with(middle + depth, (void *)process_madvise,
                                 (long[6]){PIDFD_SELF_THREAD, (long)&range, 1, MADV_DONTNEED});
    else if (way == BY_VECTOR_NUMBER)
        result = stack_call_with(
            middle + depth, (void *)syscall,
            (long[6]){SYS_process_madvise, PIDFD_SELF_THREAD, (long)&range, 1, MADV_DONTNEED});
    else
        result = (int)stack_call(middle + depth, (void *)madvise, stack, (size_t)length, MADV_DONTNEED);
    if (vector && result < 0)
        return CASE_SKIPPED; /* Linux 6.14 does this first */
    EXPECT(result == (vector ? length : 0));
    EXPECT(counter(reason) == before + 1 && counter("served") == served);
    /* What the library used afterwards is below the call's frame, as any later call's would be. */
    EXPECT(is_zero(stack, (OWN_PAGES - 2) * PLACE_PAGE));
    for (size_t i = depth; i < OWN_PAGES * PLACE_PAGE; i++)
        EXPECT(middle[i] == 0xa5);
    munmap(stack, 2 * OWN_PAGES * PLACE_PAGE);
    return CASE_PASSED;
}

static int discard_at_depths(enum way way)
{
    for (size_t depth = 16; depth <= 4096; depth += depth < 128 ? 16 : 480) {
        int result = discard_below(depth, way);
        if (result != CASE_PASSED) {
            fprintf(stderr, "stack pointer %zu above the range\n", depth);
            return result;
        }
    }
    return CASE_PASSED;
}

static int own_stack_by_name(void)
{
    return discard_at_depths(BY_NAME);
}

static int own_stack_by_number(void)
{
    return discard_at_depths(BY_NUMBER);
}

static int own_stack_by_vector(void)
{
    return discard_at_depths(BY_VECTOR);
}

static int own_stack_by_vector_number(void)
{
    return discard_at_depths(BY_VECTOR_NUMBER);
}

/* Far below, it is memory like any other; and the result must be right all the same. */
static int stack_far_below(void)
{
    unsigned char *stack = dirty_memory(64 * PLACE_PAGE);
    uint64_t served = counter("served");
    EXPECT((int)stack_call(stack + 64 * PLACE_PAGE, (void *)madvise, stack, 60 * PLACE_PAGE, MADV_DONTNEED) ==
           0);
    EXPECT(is_zero(stack, 60 * PLACE_PAGE));
    EXPECT(counter("served") == served + 1);
    return CASE_PASSED;
}

/* A thread that gives back its stack's lower part, as runtimes do between tasks. */
static int range_of_another_stack(void)
{
    unsigned char *other = dirty_memory(16 * PLACE_PAGE);
    EXPECT(madvise(other, 16 * PLACE_PAGE, MADV_DONTNEED) == 0);
    EXPECT(is_zero(other, 16 * PLACE_PAGE) && counter("served") == 1);
    return CASE_PASSED;
}

int main(int argc, char **argv)
{
    static const struct place_case cases[] = {
        {"anonymous", NULL, NULL, anonymous},
        {"anonymous_of_a_caller", "file=/nowhere,caller=x*;caller=*stack*", NULL, anonymous},
        {"anonymous_cached", "any,vma=cache", NULL, anonymous},
        {"anonymous_verified", NULL, "mode=verify", anonymous},
        {"in_turns", NULL, "mode=ab=20ms", in_turns},
        {"steady", "any,vma=cache", "mode=ab=20ms", steady},
        {"numbers", NULL, NULL, numbers},
        {"numbers_cached", "any,vma=cache", NULL, numbers},
        {"steady_numbers", "any,vma=cache", "mode=ab=20ms", steady_numbers},
        {"sites", NULL, "hooks=inline", sites},
        {"sites_cached", "any,vma=cache", "hooks=inline", sites},
        {"vectors", NULL, NULL, vectors},
        {"vectors_cached", "any,vma=cache", NULL, vectors},
        {"small_blind", NULL, NULL, small_blind},
        {"image_and_anonymous", NULL, NULL, image_and_anonymous},
        {"image_verified", NULL, "mode=verify", image_and_anonymous},
        {"many_pieces", NULL, NULL, many_pieces},
        {"declined", NULL, NULL, declined},
        {"observed", NULL, "mode=observe", observed},
        {"own_stack_by_name", NULL, NULL, own_stack_by_name},
        {"own_stack_by_number", NULL, NULL, own_stack_by_number},
        {"own_stack_by_vector", NULL, NULL, own_stack_by_vector},
        {"own_stack_by_vector_number", NULL, NULL, own_stack_by_vector_number},
        {"stack_far_below", NULL, NULL, stack_far_below},
        {"range_of_another_stack", NULL, NULL, range_of_another_stack},
    };
    return place_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
