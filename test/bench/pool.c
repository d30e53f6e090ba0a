/* An instance pool, as a WebAssembly runtime keeps one: take a slot, use it, give it back fresh.

   By default it gives slots back as a plain program does, with madvise(MADV_DONTNEED), and knows nothing of
   keepwarm. --reset raw does the same cycle with the strongest reset that can be written by hand. */
#include "test/bench/bench.h"
#include "test/bench/raw.h"
#include "test/bench/slots.h"
#include "test/bench/uapi.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* One process_madvise call names at most this many slots, and this many bytes (the kernel cuts at 2 GiB). */
#define BATCH_SLOTS 256
#define BATCH_BYTES ((size_t)1 << 30)

enum reset { RESET_MADVISE, RESET_PROCESS_MADVISE, RESET_RAW };

struct settings {
    struct shape shape;
    enum reset reset;
    enum raw_scans scans;
    bool choose_scans; /* by the shape */
    size_t threads;
    size_t warmup; /* cycles per slot that are not measured */
    double seconds;
    size_t cycles; /* per thread; 0: run for SECONDS */
    bool check;
};

/* What the threads share. */
struct run {
    struct settings settings;
    struct image image;
    struct raw raw;
    pthread_barrier_t warm;
    atomic_bool stop;
    atomic_bool failed;
};

struct worker {
    pthread_t thread;
    struct run *run;
    struct pool pool;
    uint64_t turn;
    uint64_t sum;
    size_t batch;
    double per_second;
    double cycles;
    double faults;
};

static const char usage[] =
    "Usage: pool [OPTION]...\n"
    "Runs an instance pool: each cycle takes a slot, reads and writes pages, resets the slot.\n"
    "Prints cycles_per_second, faults_per_cycle (after a warm-up), max_rss_kib.\n"
    "\n"
    "  --slot SIZE        bytes of a slot (1M)\n"
    "  --image SIZE       bytes of it that map the sealed image (64K)\n"
    "  --anon             no image: adjacent extents, as an allocator's\n"
    "  --dirty N          pages written in a cycle (2)\n"
    "  --scattered        ... spread evenly, no two adjacent (default)\n"
    "  --dense            ... in one run, across the end of the image\n"
    "  --read N           other pages, read in a cycle (0)\n"
    "  --slots N          slots of each thread (8)\n"
    "  --threads N        threads, each with its own slots (1)\n"
    "  --seconds S        how long to measure (1)\n"
    "  --cycles N         measure N cycles of each thread instead\n"
    "  --warmup N         cycles of each slot before measuring (64)\n"
    "  --check            look at every byte after every reset; exit 1 at the first that is wrong\n"
    "  --process-madvise  reset slots in batches, by process_madvise on the process itself\n"
    "  --reset HOW        madvise (default); raw: scan and restore written into this program, with one scan\n"
    "                     of a slot or two, as suits its shape; raw-one, raw-two: with that many\n"
    "SIZE is a number with an optional K, M or G.\n";

/* Says once where a slot is not fresh, and ends the run. */
static void report_difference(struct worker *worker, const struct difference *difference)
{
    if (!atomic_exchange(&worker->run->failed, true))
        fprintf(stderr, "pool: slot %zu, offset %#zx (page %zu), cycle %llu: found 0x%02x, expected 0x%02x\n",
                difference->slot, difference->offset, difference->offset / PAGE,
                (unsigned long long)worker->turn, difference->found, difference->expected);
    atomic_store(&worker->run->stop, true);
}

static void report_error(struct worker *worker, const char *what)
{
    int error = errno;
    if (!atomic_exchange(&worker->run->failed, true))
        fprintf(stderr, "pool: %s: %s\n", what, strerror(error));
    atomic_store(&worker->run->stop, true);
}

static void reset_batch(struct worker *worker, size_t first, size_t count)
{
    size_t bytes = worker->pool.shape.slot_bytes;
    struct iovec slots[BATCH_SLOTS];
    for (size_t i = 0; i < count; i++)
        slots[i] = (struct iovec){pool_slot(&worker->pool, first + i), bytes};
    long advised = syscall(SYS_process_madvise, PIDFD_OF_SELF, slots, count, MADV_DONTNEED, 0);
    if (advised < 0)
        report_error(worker, "process_madvise");
    else if ((size_t)advised != count * bytes) {
        errno = EIO;
        report_error(worker, "process_madvise advised only a part");
    }
}

static void reset_slots(struct worker *worker, size_t first, size_t count)
{
    struct run *run = worker->run;
    const struct shape *shape = &worker->pool.shape;
    unsigned char *slot = pool_slot(&worker->pool, first);
    switch (run->settings.reset) {
    case RESET_MADVISE:
        if (madvise(slot, shape->slot_bytes, MADV_DONTNEED))
            report_error(worker, "madvise");
        break;
    case RESET_RAW:
        if (raw_reset(&run->raw, slot, shape->image_bytes, shape->slot_bytes))
            report_error(worker, "raw reset");
        break;
    case RESET_PROCESS_MADVISE:
        reset_batch(worker, first, count);
        break;
    }
}

/* Runs up to LIMIT cycles (0: until told to stop); how many it ran. */
static size_t run_cycles(struct worker *worker, size_t limit)
{
    struct run *run = worker->run;
    size_t slots = worker->pool.shape.slots, done = 0;
    while ((!limit || done < limit) && !atomic_load_explicit(&run->stop, memory_order_relaxed)) {
        size_t first = worker->turn % slots;
        size_t count = slots - first < worker->batch ? slots - first : worker->batch;
        for (size_t i = 0; i < count; i++)
            worker->sum += pool_use(&worker->pool, first + i, worker->turn++);
        reset_slots(worker, first, count);
        done += count;
        struct difference difference;
        for (size_t i = 0; run->settings.check && i < count; i++)
            if (!pool_slot_fresh(&worker->pool, first + i, &difference))
                report_difference(worker, &difference);
    }
    return done;
}

static long thread_faults(void)
{
    struct rusage used;
    getrusage(RUSAGE_THREAD, &used);
    return used.ru_minflt;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    const struct settings *settings = &worker->run->settings;
    run_cycles(worker, settings->warmup * settings->shape.slots);
    pthread_barrier_wait(&worker->run->warm);

    long faults = thread_faults();
    uint64_t start = now_ns();
    size_t cycles = run_cycles(worker, settings->cycles);
    double seconds = (double)(now_ns() - start) / 1e9;
    worker->cycles = (double)cycles;
    worker->per_second = (double)cycles / seconds;
    worker->faults = (double)(thread_faults() - faults);
    return NULL;
}

static bool parse_reset(const char *text, struct settings *settings)
{
    settings->choose_scans = !strcmp(text, "raw");
    settings->scans = strcmp(text, "raw-two") ? RAW_ONE_SCAN : RAW_TWO_SCANS;
    bool raw = settings->choose_scans || !strcmp(text, "raw-one") || !strcmp(text, "raw-two");
    settings->reset = raw ? RESET_RAW : RESET_MADVISE;
    return raw || !strcmp(text, "madvise");
}

static bool parse_seconds(const char *text, double *seconds)
{
    char *end;
    *seconds = strtod(text, &end);
    return end != text && !*end && *seconds > 0 && *seconds < 1e6;
}

static _Noreturn void refuse(const char *message, const char *detail)
{
    fprintf(stderr, "pool: %s%s\nTry 'pool --help'.\n", message, detail);
    exit(2);
}

/* Options with a size or a count first, in the order of size_of; then the others. */
enum option_code { SLOT, IMAGE, DIRTY, READ, SLOTS, THREADS, CYCLES, WARMUP, SECONDS, RESET, FLAGS };
enum flag { ANON = FLAGS, SCATTERED, DENSE, CHECK, PROCESS, HELP };

static const struct option options[] = {
    {"slot", required_argument, NULL, SLOT},
    {"image", required_argument, NULL, IMAGE},
    {"dirty", required_argument, NULL, DIRTY},
    {"read", required_argument, NULL, READ},
    {"slots", required_argument, NULL, SLOTS},
    {"threads", required_argument, NULL, THREADS},
    {"cycles", required_argument, NULL, CYCLES},
    {"warmup", required_argument, NULL, WARMUP},
    {"seconds", required_argument, NULL, SECONDS},
    {"reset", required_argument, NULL, RESET},
    {"anon", no_argument, NULL, ANON},
    {"scattered", no_argument, NULL, SCATTERED},
    {"dense", no_argument, NULL, DENSE},
    {"check", no_argument, NULL, CHECK},
    {"process-madvise", no_argument, NULL, PROCESS},
    {"help", no_argument, NULL, HELP},
    {0},
};

/* Sets what an option with a value sets; false if the value is bad. */
static bool set_value(struct settings *settings, int option, const char *text)
{
    struct shape *shape = &settings->shape;
    size_t *const size_of[] = {
        &shape->slot_bytes, &shape->image_bytes, &shape->dirty,     &shape->read,
        &shape->slots,      &settings->threads,  &settings->cycles, &settings->warmup,
    };
    if (option == SECONDS)
        return parse_seconds(text, &settings->seconds);
    if (option == RESET)
        return parse_reset(text, settings);
    return parse_size(text, size_of[option]);
}

static void set_flag(struct settings *settings, int option)
{
    if (option == HELP) {
        fputs(usage, stdout);
        exit(0);
    }
    if (option == ANON)
        settings->shape.image_bytes = 0;
    if (option == SCATTERED || option == DENSE)
        settings->shape.scattered = option == SCATTERED;
    if (option == CHECK)
        settings->check = true;
    if (option == PROCESS)
        settings->reset = RESET_PROCESS_MADVISE;
}

static void parse(int argc, char **argv, struct settings *settings)
{
    *settings = (struct settings){
        .shape = {.slot_bytes = 1 << 20, .image_bytes = 64 << 10, .dirty = 2, .scattered = true, .slots = 8},
        .threads = 1,
        .warmup = 64,
        .seconds = 1,
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?')
            refuse("bad option", "");
        if (option >= FLAGS)
            set_flag(settings, option);
        else if (!set_value(settings, option, optarg))
            refuse("bad value: ", optarg);
    }
    if (optind < argc)
        refuse("what is ", argv[optind]);
    if (!settings->threads || settings->threads > 1024)
        refuse("--threads must be from 1 to 1024", "");
    if (shape_fault(&settings->shape))
        refuse(shape_fault(&settings->shape), "");
    if (settings->choose_scans)
        settings->scans = raw_better_scans(settings->shape.dirty);
}

/* Sleeps for the time to measure, or until the threads have stopped early. */
static void wait_and_stop(struct run *run)
{
    uint64_t end = now_ns() + (uint64_t)(run->settings.seconds * 1e9);
    while (!atomic_load(&run->stop) && now_ns() < end) {
        uint64_t left = end - now_ns();
        usleep(left < 50000000u ? (useconds_t)(left / 1000 + 1) : 50000);
    }
    atomic_store(&run->stop, true);
}

static void report(const struct run *run, const struct worker *workers)
{
    const struct settings *settings = &run->settings;
    double per_second = 0, cycles = 0, faults = 0;
    for (size_t i = 0; i < settings->threads; i++) {
        per_second += workers[i].per_second;
        cycles += workers[i].cycles;
        faults += workers[i].faults;
    }
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("cycles_per_second=%.0f faults_per_cycle=%.4f max_rss_kib=%ld threads=%zu cycles=%.0f\n",
           per_second, cycles > 0 ? faults / cycles : 0, used.ru_maxrss, settings->threads, cycles);
}

int main(int argc, char **argv)
{
    static struct run run;
    parse(argc, argv, &run.settings);
    const struct settings *settings = &run.settings;
    image_create(&run.image, settings->shape.image_bytes);
    if (settings->reset == RESET_RAW)
        raw_open(&run.raw, &run.image, settings->scans);
    pthread_barrier_init(&run.warm, NULL, (unsigned)settings->threads + 1);

    size_t batch = 1;
    if (settings->reset == RESET_PROCESS_MADVISE && settings->shape.slot_bytes < BATCH_BYTES)
        batch = BATCH_BYTES / settings->shape.slot_bytes;
    struct worker *workers = calloc(settings->threads, sizeof *workers);
    if (!workers)
        die("workers");
    for (size_t i = 0; i < settings->threads; i++) {
        workers[i].run = &run;
        workers[i].batch = batch < BATCH_SLOTS ? batch : BATCH_SLOTS;
        pool_create(&workers[i].pool, &settings->shape, &run.image);
        errno = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
        if (errno)
            die("pthread_create");
    }
    pthread_barrier_wait(&run.warm);
    if (!settings->cycles)
        wait_and_stop(&run);
    for (size_t i = 0; i < settings->threads; i++)
        pthread_join(workers[i].thread, NULL);
    if (atomic_load(&run.failed))
        return 1;
    report(&run, workers);
    return 0;
}
