/* Vector registers over a system call instruction that is answered by a reset: the kernel leaves them as they
   are, and so must keepwarm, which uses them where a function was called. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "test/places/place.h"

enum { REGISTERS = 16, WIDTH = 32, RESETS = 300 };

/* As site_madvise. */
long site_process_madvise(int pidfd, const struct iovec *vector, size_t count, int advice, unsigned flags);
__asm__(".globl site_process_madvise\n"
        ".type site_process_madvise, @function\n"
        "site_process_madvise:\n"
        "  mov %rcx, %r10\n"
        "  mov $440, %eax\n"
        "  syscall\n"
        "  ret\n"
        ".size site_process_madvise, .-site_process_madvise\n");

/* Fills ymm0 to ymm15 from before, calls function(a[0], ...), stores them to after. */
long call_with_vectors(const void *before, void *after, void *function, const long a[5]);
__asm__(".globl call_with_vectors\n"
        "call_with_vectors:\n"
        "  push %rbx\n"
        "  mov %rsi, %rbx\n"
        "  mov %rdx, %rax\n"
        "  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
        "  vmovdqu 32*\\n(%rdi), %ymm\\n\n"
        "  .endr\n"
        "  mov %rcx, %r11\n"
        "  mov (%r11), %rdi\n"
        "  mov 8(%r11), %rsi\n"
        "  mov 16(%r11), %rdx\n"
        "  mov 24(%r11), %rcx\n"
        "  mov 32(%r11), %r8\n"
        "  call *%rax\n"
        "  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
        "  vmovdqu %ymm\\n, 32*\\n(%rbx)\n"
        "  .endr\n"
        "  vzeroupper\n"
        "  pop %rbx\n"
        "  ret\n");

static bool vectors_stay(void *function, const long a[5], long expected)
{
    unsigned char before[REGISTERS * WIDTH], after[REGISTERS * WIDTH];
    for (size_t i = 0; i < sizeof before; i++)
        before[i] = (unsigned char)(i * 7 + 1);
    long result = call_with_vectors(before, after, function, a);
    return result == expected && memcmp(before, after, sizeof before) == 0;
}

/* Resets memory whose first bytes are content, with so many dirty pages, as served calls. */
static int reset_often(unsigned char *memory, size_t pages, size_t dirty, const unsigned char *content,
                       bool vector)
{
    enum { SELF_THREAD = -10000 };
    struct iovec range = {memory, pages * PLACE_PAGE};
    const long alone[5] = {(long)memory, (long)range.iov_len, MADV_DONTNEED};
    const long in_vector[5] = {SELF_THREAD, (long)&range, 1, MADV_DONTNEED, 0};
    uint64_t served = counter("served");
    SKIP_UNLESS(__builtin_cpu_supports("avx2"), "no AVX2 here");
    SKIP_UNLESS(!vector || process_madvise(SELF_THREAD, &range, 1, MADV_DONTNEED, 0) > 0,
                "process_madvise on itself: Linux 6.14");
    for (int i = 0; i < RESETS; i++) {
        for (size_t page = 0; page < dirty; page++)
            memory[page * (pages / dirty) * PLACE_PAGE + 17] = 1;
        if (vector)
            EXPECT(vectors_stay((void *)site_process_madvise, in_vector, (long)range.iov_len));
        else
            EXPECT(vectors_stay((void *)site_madvise, alone, 0));
        for (size_t page = 0; page < dirty; page++)
            EXPECT(memcmp(memory + page * (pages / dirty) * PLACE_PAGE, content, PLACE_PAGE) == 0);
    }
    SKIP_UNLESS(counter("served") > served + RESETS / 2, "this instruction is not hooked");
    return CASE_PASSED;
}

static const unsigned char zeroes[PLACE_PAGE];

static int written_whole(void)
{
    return reset_often(dirty_memory(4 * PLACE_PAGE), 4, 4, zeroes, false);
}

static int scanned(void)
{
    return reset_often(dirty_memory(256 * PLACE_PAGE), 256, 16, zeroes, false);
}

static int in_a_vector(void)
{
    return reset_often(dirty_memory(4 * PLACE_PAGE), 4, 4, zeroes, true);
}

static int of_an_image(void)
{
    unsigned char content[PLACE_PAGE];
    int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    memset(content, 9, sizeof content);
    for (int page = 0; page < 16; page++)
        EXPECT(write(fd, content, sizeof content) == sizeof content);
    EXPECT(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    unsigned char *memory = mmap(NULL, 16 * PLACE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    EXPECT(memory != MAP_FAILED);
    return reset_often(memory, 16, 4, content, false);
}

int main(int argc, char **argv)
{
    static const struct place_case cases[] = {
        {"written_whole", NULL, "hooks=inline", written_whole},
        {"written_whole_cached", "any,vma=cache", "hooks=inline", written_whole},
        {"scanned", NULL, "hooks=inline", scanned},
        {"scanned_cached", "any,vma=cache", "hooks=inline", scanned},
        {"in_a_vector", "any,vma=cache", "hooks=inline", in_a_vector},
        {"of_an_image", NULL, "hooks=inline", of_an_image},
        {"of_an_image_cached", "any,vma=cache", "hooks=inline", of_an_image},
    };
    return place_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
