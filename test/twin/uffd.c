/* Steps with userfaultfd. Faults come as SIGBUS, so that a page that should be missing is seen as such; in
   some episodes a thread reads the events that each reset must send. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "compare.h"
#include "ops.h"
#include "pair.h"
#include "reset.h"

#define FEATURE_POISON (1ull << 14)
#define IOCTL_NEW _IO(0xAA, 0x00) /* on /dev/userfaultfd */

struct poison {
    struct uffdio_range range;
    uint64_t mode;
    int64_t updated;
};
#define IOCTL_POISON _IOWR(UFFDIO, 0x08, struct poison)

static int uffd = -1;
static bool with_events;
static atomic_ulong events[2];

static void *read_events(void *unused)
{
    struct uffd_msg message;
    (void)unused;
    while (read(uffd, &message, sizeof message) == (ssize_t)sizeof message)
        if (message.event == UFFD_EVENT_REMOVE)
            atomic_fetch_add(&events[message.arg.remove.start >= LIBRARY_BASE ? LIBRARY : REAL], 1);
    return NULL;
}

/* A blocked reader is woken by the event that a reset sends and then waits for. */
static void start_reader(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, read_events, NULL) != 0)
        fail("cannot start a thread");
    pthread_detach(thread);
}

static bool open_uffd(void)
{
    uint64_t features = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_PAGEFAULT_FLAG_WP | FEATURE_POISON;
    with_events = chance(60);
    if (chance(30)) {
        int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
        if (device >= 0) {
            uffd = ioctl(device, IOCTL_NEW, O_CLOEXEC);
            close(device);
        }
    }
    if (uffd < 0)
        uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    struct uffdio_api api = {.api = UFFD_API,
                             .features = features | (with_events ? UFFD_FEATURE_EVENT_REMOVE : 0)};
    if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) != 0)
        return false;
    note("userfaultfd opened%s", with_events ? ", with events" : "");
    if (with_events)
        start_reader();
    return true;
}

static struct uffdio_range range_of(const struct pair *pair, enum side side, size_t first, size_t end)
{
    return (struct uffdio_range){(uintptr_t)pair->at[side] + first * PAGE, (end - first) * PAGE};
}

void op_uffd_register(struct pair *pair)
{
    uint64_t mode = 1 + below(3); /* missing, write-protect, both */
    if (!has(HAS_UFFD) || (uffd < 0 && !open_uffd()))
        return;
    /* Only pages that were never kept: a kept page sends no event, which is a documented difference. */
    pair_make(pair, KIND_anon);
    for (int side = REAL; side <= LIBRARY; side++) {
        struct uffdio_register request = {.range = range_of(pair, side, 0, pair->pages), .mode = mode};
        if (ioctl(uffd, UFFDIO_REGISTER, &request) != 0)
            fail("cannot register with userfaultfd, mode %u", (unsigned)mode);
    }
    note("slot %u registered with userfaultfd, mode %u", pair->slot, (unsigned)mode);
    pair_set(pair, 0, pair->pages, (mode & 1 ? A_UFFD_MISSING : 0) | (mode & 2 ? A_UFFD_WP : 0), 0);
    compare_pair(pair);
}

static struct outcome request(const struct pair *pair, enum side side, unsigned how, size_t first, size_t end)
{
    static uint8_t source[PAGE] __attribute__((aligned(4096)));
    struct uffdio_range range = range_of(pair, side, first, end);
    source[0] = source[PAGE - 1] = 0xa5;
    if (how == 0) {
        struct uffdio_copy copy = {.dst = range.start, .src = (uintptr_t)source, .len = PAGE};
        return took(ioctl(uffd, UFFDIO_COPY, &copy));
    }
    if (how == 1) {
        struct uffdio_zeropage zeropage = {.range = range};
        return took(ioctl(uffd, UFFDIO_ZEROPAGE, &zeropage));
    }
    if (how == 2) {
        struct uffdio_writeprotect protect = {.range = range, .mode = UFFDIO_WRITEPROTECT_MODE_WP};
        return took(ioctl(uffd, UFFDIO_WRITEPROTECT, &protect));
    }
    struct poison poison = {.range = range};
    return took(ioctl(uffd, IOCTL_POISON, &poison));
}

/* A page handed in by hand, write-protected or poisoned; then, often, dropped again. */
static void prepare(struct pair *pair)
{
    static const char *const names[] = {"copy into", "zero", "protect", "poison"};
    unsigned how = (unsigned)below(4);
    size_t first = below(pair->pages), end = how == 0 ? first + 1 : first + 1 + below(pair->pages - first);
    note("userfaultfd: %s slot %u, pages %zu to %zu", names[how], pair->slot, first, end);
    struct outcome real = request(pair, REAL, how, first, end);
    if (same("userfaultfd ioctl", real, request(pair, LIBRARY, how, first, end)) && how == 3)
        pair_set(pair, first, end, A_POISON, 0);
}

static void check_events(void)
{
    struct timespec moment = {0, 50000};
    for (int i = 0; i < 4000 && atomic_load(&events[REAL]) != atomic_load(&events[LIBRARY]); i++)
        nanosleep(&moment, NULL);
    if (atomic_load(&events[REAL]) != atomic_load(&events[LIBRARY]))
        fail("%lu events for the real call's twin, %lu for the library's", atomic_load(&events[REAL]),
             atomic_load(&events[LIBRARY]));
}

void op_uffd(struct pair *pair)
{
    if (!(pair_any(pair, 0, pair->pages) & (A_UFFD_MISSING | A_UFFD_WP))) {
        op_uffd_register(pair);
        return;
    }
    unsigned long before = atomic_load(&events[REAL]);
    for (uint64_t i = below(3); i > 0; i--)
        prepare(pair);
    if (chance(50))
        fill_some(pair);
    op_reset(pair);
    if (with_events) {
        check_events();
        count_row(ROW_uffd_event, atomic_load(&events[REAL]) - before);
    }
}
