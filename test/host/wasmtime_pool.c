/* Instances created, called and dropped on Wasmtime's pooling allocator, nothing kept resident: each drop is
   a madvise(MADV_DONTNEED) of the memory, the table and, for async calls, the stack. Before it dirties
   anything, each instance checks inside wasm that memory and table are as a fresh instance must see them.

   wasmtime_pool --help. Prints instances_per_second=. Exit status 1: an instance saw another one's data. */
#include <dlfcn.h>
#include <getopt.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "test/host/wasmtime_api.h"

enum { KIB = 1024, WASM_PAGE = 64 * KIB, PAGE_BYTES = 4096, THREADS_MOST = 64, TABLE_SIZE = 512 };

static const struct workload {
    const char *name, *what;
    unsigned memory, image, most; /* KiB: at the start, filled by the module, after a grow */
    unsigned dirty, stride;       /* pages written, and pages from one to the next */
    bool async;
} workloads[] = {
    {"dense", "4 MiB, 1 MiB of image, 32 dirty pages side by side", 4096, 1024, 4096, 32, 1, false},
    {"scattered", "4 MiB, 1 MiB of image, 200 dirty pages all over", 4096, 1024, 4096, 200, 5, false},
    {"large", "64 MiB, 64 KiB of image, 64 dirty pages all over", 65536, 64, 65536, 64, 256, false},
    {"async", "1 MiB, 64 KiB of image, 2 dirty pages, called on an async stack", 1024, 64, 1024, 2, 1, true},
    {"grow", "grows from 1 to 16 MiB, 64 KiB of image, 16 dirty pages all over", 1024, 64, 16384, 16, 256,
     false},
};

enum check { CHECK_NONE, CHECK_DIRTY, CHECK_FULL };
static const char *const check_names[] = {"none", "dirty", "full"};

static struct wasmtime_api api;

static struct {
    const struct workload *workload;
    enum check check;
    bool async;
    double seconds;
    unsigned threads;
    wasm_engine *engine;
    wasmtime_instance_pre *pre;
    atomic_bool stop;
} run;

static _Noreturn void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("wasmtime_pool: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(125);
}

static void must(wasmtime_error *error, wasm_trap *trap, const char *what)
{
    wasm_bytes text = {0};
    if (error)
        api.wasmtime_error_message(error, &text);
    else if (trap)
        api.wasm_trap_message(trap, &text);
    else
        return;
    die("%s: %.*s", what, (int)text.size, text.data);
}

static void load_api(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        die("%s", dlerror());
#define FUNCTION(result, name, parameters)                                                                   \
    *(void **)&api.name = dlsym(library, #name);                                                             \
    if (!api.name)                                                                                           \
        die("%s: no %s", path, #name);
    WASMTIME_FUNCTIONS(FUNCTION)
#undef FUNCTION
}

/* The module. A page of the image holds its number plus one in its first and its last word; all else is zero.
   $expect says what a fresh instance must find in the word at an address; run returns 0, or where it found
   another. */
static const char module_code[] =
    "(table $t %d funcref)\n"
    "(elem (i32.const 0) $dummy)\n"
    "(func $dummy)\n"
    "(elem declare func $dummy)\n"
    "(func $expect (param $a i32) (result i32)\n"
    "  (if (i32.ge_u (local.get $a) (i32.const %u)) (then (return (i32.const 0))))\n"
    "  (if (i32.and (i32.ne (i32.and (local.get $a) (i32.const 4095)) (i32.const 0))\n"
    "               (i32.ne (i32.and (local.get $a) (i32.const 4095)) (i32.const 4092)))\n"
    "    (then (return (i32.const 0))))\n"
    "  (i32.add (i32.shr_u (local.get $a) (i32.const 12)) (i32.const 1)))\n"
    "(func $wrong (param $a i32) (result i32)\n"
    "  (i32.ne (i32.load (local.get $a)) (call $expect (local.get $a))))\n"
    "(func $whole (result i32) (local $a i32) (local $end i32)\n"
    "  (local.set $end (i32.shl (memory.size) (i32.const 16)))\n"
    "  (loop $next\n"
    "    (if (call $wrong (local.get $a)) (then (return (i32.or (local.get $a) (i32.const 1)))))\n"
    "    (local.set $a (i32.add (local.get $a) (i32.const 4)))\n"
    "    (br_if $next (i32.lt_u (local.get $a) (local.get $end))))\n"
    "  (i32.const 0))\n"
    "(func $table (result i32) (local $i i32)\n"
    "  (if (ref.is_null (table.get $t (i32.const 0))) (then (return (i32.const -2))))\n"
    "  (local.set $i (i32.const 1))\n"
    "  (loop $next\n"
    "    (if (i32.eqz (ref.is_null (table.get $t (local.get $i)))) (then (return (i32.const -3))))\n"
    "    (table.set $t (local.get $i) (ref.func $dummy))\n"
    "    (local.set $i (i32.add (local.get $i) (i32.const 37)))\n"
    "    (br_if $next (i32.lt_u (local.get $i) (table.size $t))))\n"
    "  (table.set $t (i32.const 0) (ref.null func))\n"
    "  (i32.const 0))\n"
    "(func (export \"run\") (param $check i32) (param $value i32) (result i32)\n"
    "  (local $a i32) (local $left i32)\n"
    "  (if (i32.ne (memory.size) (i32.const %u)) (then (return (i32.const -1))))\n"
    "  (local.tee $left (call $table))\n"
    "  (if (then (return (local.get $left))))\n"
    "  (if (i32.gt_u (i32.const %u) (memory.size))\n"
    "    (then (if (i32.eq (memory.grow (i32.const %u)) (i32.const -1)) (then (return (i32.const -4))))))\n"
    "  (if (i32.eq (local.get $check) (i32.const 2)) (then\n"
    "    (local.tee $left (call $whole))\n"
    "    (if (then (return (local.get $left))))))\n"
    "  (local.set $left (i32.const %u))\n"
    "  (loop $next\n"
    "    (if (local.get $check) (then\n"
    "      (if (i32.or (call $wrong (local.get $a)) (call $wrong (i32.add (local.get $a) (i32.const "
    "4092))))\n"
    "        (then (return (i32.or (local.get $a) (i32.const 1)))))))\n"
    "    (i32.store (local.get $a) (local.get $value))\n"
    "    (i32.store offset=4092 (local.get $a) (local.get $value))\n"
    "    (local.set $a (i32.add (local.get $a) (i32.const %u)))\n"
    "    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))\n"
    "  (i32.const 0)))\n";

static char *module_text(const struct workload *w)
{
    unsigned pages = w->memory * KIB / WASM_PAGE, most = w->most * KIB / WASM_PAGE;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        die("no memory");
    fprintf(out, "(module (memory %u %u)\n(data (i32.const 0) \"", pages, most);
    for (unsigned page = 0; page < w->image * KIB / PAGE_BYTES; page++)
        for (unsigned at = 0; at < PAGE_BYTES; at++) {
            bool marked = at < 4 || at >= PAGE_BYTES - 4;
            fprintf(out, "\\%02x", marked ? (page + 1) >> at % 4 * 8 & 0xff : 0);
        }
    fputs("\")\n", out);
    fprintf(out, module_code, TABLE_SIZE, w->image * KIB, pages, most, most - pages, w->dirty,
            w->stride * PAGE_BYTES);
    if (fclose(out) != 0)
        die("no memory");
    return text;
}

static void make_engine(size_t batch)
{
    wasm_config *config = api.wasm_config_new();
    wasmtime_pooling_config *pool = api.wasmtime_pooling_allocation_config_new();
    uint32_t slots = run.threads * 4 + (uint32_t)batch;
    api.wasmtime_pooling_allocation_config_total_core_instances_set(pool, slots);
    api.wasmtime_pooling_allocation_config_total_memories_set(pool, slots);
    api.wasmtime_pooling_allocation_config_total_tables_set(pool, slots);
    api.wasmtime_pooling_allocation_config_total_stacks_set(pool, slots);
    api.wasmtime_pooling_allocation_config_max_memory_size_set(pool, (size_t)run.workload->most * KIB);
    api.wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pool, 0);
    api.wasmtime_pooling_allocation_config_table_keep_resident_set(pool, 0);
    api.wasmtime_pooling_allocation_config_async_stack_keep_resident_set(pool, 0);
    api.wasmtime_pooling_allocation_config_decommit_batch_size_set(pool, batch);
    api.wasmtime_pooling_allocation_strategy_set(config, pool);
    api.wasmtime_pooling_allocation_config_delete(pool);
    run.engine = api.wasm_engine_new_with_config(config);
    if (!run.engine)
        die("no engine");
}

static void make_module(void)
{
    wasm_bytes binary = {0};
    wasmtime_module *module = NULL;
    char *text = module_text(run.workload);
    must(api.wasmtime_wat2wasm(text, strlen(text), &binary), NULL, "wat2wasm");
    must(api.wasmtime_module_new(run.engine, (const uint8_t *)binary.data, binary.size, &module), NULL,
         "compile");
    wasmtime_linker *linker = api.wasmtime_linker_new(run.engine);
    must(api.wasmtime_linker_instantiate_pre(linker, module, &run.pre), NULL, "link");
    api.wasmtime_linker_delete(linker);
    api.wasmtime_module_delete(module);
    api.wasm_byte_vec_delete(&binary);
    free(text);
}

static void finish(wasmtime_call_future *future)
{
    while (!api.wasmtime_call_future_poll(future))
        ;
    api.wasmtime_call_future_delete(future);
}

/* One instance's life. Returns what its run said. */
static int32_t one_instance(int32_t value)
{
    wasmtime_store *store = api.wasmtime_store_new(run.engine, NULL, NULL);
    wasmtime_context *context = api.wasmtime_store_context(store);
    wasmtime_instance instance;
    wasmtime_extern entry;
    wasmtime_error *error = NULL;
    wasm_trap *trap = NULL;
    wasmtime_value parameters[2] = {{.of.i32 = (int32_t)run.check}, {.of.i32 = value}}, result = {0};
    if (run.async)
        finish(api.wasmtime_instance_pre_instantiate_async(run.pre, context, &instance, &trap, &error));
    else
        error = api.wasmtime_instance_pre_instantiate(run.pre, context, &instance, &trap);
    must(error, trap, "instantiate");
    if (!api.wasmtime_instance_export_get(context, &instance, "run", 3, &entry) || entry.kind != 0)
        die("no function run");
    if (run.async)
        finish(
            api.wasmtime_func_call_async(context, &entry.of.func, parameters, 2, &result, 1, &trap, &error));
    else
        error = api.wasmtime_func_call(context, &entry.of.func, parameters, 2, &result, 1, &trap);
    must(error, trap, "run");
    api.wasmtime_store_delete(store);
    return result.of.i32;
}

/* Lets one instance live, and ends the program when it was not fresh. */
static void must_be_fresh(int32_t value)
{
    int32_t found = one_instance(value);
    if (found == 0)
        return;
    const char *what = found == -1   ? "memory size"
                       : found == -4 ? "no growing"
                       : found < -1  ? "table"
                                     : "memory at";
    fprintf(stderr, "wasmtime_pool: an instance is not fresh: %s 0x%x\n", what, (unsigned)found & ~1u);
    exit(1);
}

static void *work(void *argument)
{
    unsigned long *count = argument;
    for (int32_t value = 0x5eed; !atomic_load_explicit(&run.stop, memory_order_relaxed); ++*count)
        must_be_fresh(value++);
    return NULL;
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void measure(void)
{
    static struct {
        _Alignas(128) unsigned long count;
    } counts[THREADS_MOST];
    pthread_t threads[THREADS_MOST];
    unsigned long total = 0;
    for (int i = 0; i < 3; i++) /* code and slots are warm from here on */
        must_be_fresh(1);
    double start = seconds_now();
    for (unsigned i = 0; i < run.threads; i++)
        if (pthread_create(&threads[i], NULL, work, &counts[i].count) != 0)
            die("no thread");
    struct timespec wait = {(time_t)run.seconds, (long)((run.seconds - (double)(time_t)run.seconds) * 1e9)};
    nanosleep(&wait, NULL);
    atomic_store(&run.stop, true);
    for (unsigned i = 0; i < run.threads; i++) {
        pthread_join(threads[i], NULL);
        total += counts[i].count;
    }
    double took = seconds_now() - start;
    printf("workload=%s threads=%u check=%s instances=%lu\n", run.workload->name, run.threads,
           check_names[run.check], total);
    printf("instances_per_second=%.1f\n", (double)total / took);
}

static _Noreturn void help(void)
{
    puts("usage: wasmtime_pool [--library FILE] [--workload NAME] [--threads N] [--seconds S] [--batch N]\n"
         "                     [--check none|dirty|full] [--async]\n"
         "--library: the C API's shared library; default $WASMTIME_LIBRARY\n"
         "--batch: Wasmtime's decommit_batch_size, default 1; above 1 the calls go through syscall()\n"
         "--check: what an instance looks at before it writes: nothing, the pages it will write, all its "
         "memory\n"
         "Workloads:");
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        printf("  %-10s %s\n", workloads[i].name, workloads[i].what);
    exit(0);
}

static void choose(const char *name)
{
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        if (strcmp(name, workloads[i].name) == 0) {
            run.workload = &workloads[i];
            return;
        }
    die("%s: no such workload; --help lists them", name);
}

static void choose_check(const char *name)
{
    for (unsigned i = 0; i < 3; i++)
        if (strcmp(name, check_names[i]) == 0) {
            run.check = (enum check)i;
            return;
        }
    die("%s: not none, dirty or full", name);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"library", 1, NULL, 'l'}, {"workload", 1, NULL, 'w'}, {"threads", 1, NULL, 't'},
        {"seconds", 1, NULL, 's'}, {"batch", 1, NULL, 'b'},    {"check", 1, NULL, 'c'},
        {"async", 0, NULL, 'a'},   {"help", 0, NULL, 'h'},     {0}};
    const char *library = getenv("WASMTIME_LIBRARY");
    size_t batch = 1;
    bool async = false;
    run.workload = workloads;
    run.check = CHECK_DIRTY;
    run.threads = 1;
    run.seconds = 2;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'l':
            library = optarg;
            break;
        case 'w':
            choose(optarg);
            break;
        case 't':
            run.threads = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 's':
            run.seconds = strtod(optarg, NULL);
            break;
        case 'b':
            batch = strtoul(optarg, NULL, 10);
            break;
        case 'c':
            choose_check(optarg);
            break;
        case 'a':
            async = true;
            break;
        case 'h':
            help();
        default:
            return 125;
        }
    }
    if (!library)
        die("no library: give --library or WASMTIME_LIBRARY");
    if (run.threads < 1 || run.threads > THREADS_MOST || batch < 1 || batch > 1000 ||
        !(run.seconds > 0 && run.seconds < 3600))
        die("threads, batch or seconds out of range");
    run.async = async || run.workload->async;
    load_api(library);
    make_engine(batch);
    make_module();
    measure();
    api.wasmtime_instance_pre_delete(run.pre);
    api.wasm_engine_delete(run.engine);
    return 0;
}
