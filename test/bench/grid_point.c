/* Measures every strategy at one point of the grid, interleaved in one process (or several in step), and
   prints a line of CSV for each round of each strategy.

   With --library it starts again with keepwarm preloaded, under rules that name the arenas of the strategies
   which are keepwarm's: no other memory is ever its business. */
#include "test/bench/grid_run.h"

#include "test/bench/bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PRELOADED "GRID_POINT_PRELOADED"

/* The whole of it never takes longer: a worker that dies must not leave the others waiting for ever. */
enum { LONGEST_SECONDS = 600 };

static const char usage[] =
    "Usage: grid_point [OPTION]...\n"
    "Measures each strategy at one point: a cycle reads some pages of a slot, writes some, and resets it.\n"
    "\n"
    "  --range SIZE       bytes of a slot (1M)\n"
    "  --image SIZE       bytes of it that map a sealed image (0)\n"
    "  --dirty N          pages written in a cycle (2)\n"
    "  --read N           other pages, read before that (1)\n"
    "  --dense            written pages adjacent, not spread evenly\n"
    "  --set SET          stable, wandering or phases: which pages each cycle uses (stable)\n"
    "  --slots N          slots of each thread (8)\n"
    "  --threads N        threads of each process (1)\n"
    "  --processes N      processes (1)\n"
    "  --bystander WHAT   one more thread, that does compute, fault or mprotect\n"
    "  --call SIZE        length of the call, if it ends within the last page of the slot (--range)\n"
    "  --keep SIZE        most bytes that keepwarm and the in-tree algorithm restore (--range)\n"
    "  --rounds N         rounds of all strategies (10)\n"
    "  --seconds S        of each strategy in a round (0.04)\n"
    "  --cycles N         cycles of each strategy in a round instead; resets are not timed alone then\n"
    "  --warmup N         cycles of each slot before the first round (64)\n"
    "  --seed N           of the order of the strategies (1)\n"
    "  --strategies LIST  only these, joined by commas\n"
    "  --check            look at the slot after every reset, not only after the first\n"
    "  --library FILE     libkeepwarm.so; without it, keepwarm's strategies are left out\n"
    "SIZE is a number with an optional K, M or G.\n";

/* Options with a size or a count first, in the order of size_of. */
enum option_code {
    RANGE,
    IMAGE,
    DIRTY,
    READ,
    SLOTS,
    THREADS,
    PROCESSES,
    CALL,
    KEEP,
    ROUNDS,
    CYCLES,
    WARMUP,
    SEED,
    SECONDS,
    SET,
    BYSTANDER,
    STRATEGIES,
    LIBRARY,
    DENSE,
    CHECK,
    HELP
};

static const struct option options[] = {
    {"range", required_argument, NULL, RANGE},
    {"image", required_argument, NULL, IMAGE},
    {"dirty", required_argument, NULL, DIRTY},
    {"read", required_argument, NULL, READ},
    {"slots", required_argument, NULL, SLOTS},
    {"threads", required_argument, NULL, THREADS},
    {"processes", required_argument, NULL, PROCESSES},
    {"call", required_argument, NULL, CALL},
    {"keep", required_argument, NULL, KEEP},
    {"rounds", required_argument, NULL, ROUNDS},
    {"cycles", required_argument, NULL, CYCLES},
    {"warmup", required_argument, NULL, WARMUP},
    {"seed", required_argument, NULL, SEED},
    {"seconds", required_argument, NULL, SECONDS},
    {"set", required_argument, NULL, SET},
    {"bystander", required_argument, NULL, BYSTANDER},
    {"strategies", required_argument, NULL, STRATEGIES},
    {"library", required_argument, NULL, LIBRARY},
    {"dense", no_argument, NULL, DENSE},
    {"check", no_argument, NULL, CHECK},
    {"help", no_argument, NULL, HELP},
    {0},
};

static _Noreturn void refuse(const char *message, const char *detail)
{
    fprintf(stderr, "grid_point: %s%s\nTry 'grid_point --help'.\n", message, detail);
    exit(2);
}

/* The place of TEXT in a list of words that ends with NULL. */
static unsigned parse_word(const char *text, const char *const words[])
{
    unsigned i = 0;
    while (words[i] && strcmp(words[i], text))
        i++;
    if (!words[i])
        refuse("bad value: ", text);
    return i;
}

static const char *const set_words[] = {"stable", "wandering", "phases", NULL};
static const char *const bystander_words[] = {"none", "compute", "fault", "mprotect", NULL};

/* What the command line says beside the plan. */
struct settings {
    struct plan plan;
    const char *only; /* strategies; NULL: all */
    const char *library;
};

static void set_option(struct settings *settings, int option, const char *text)
{
    struct plan *plan = &settings->plan;
    struct shape *shape = &plan->shape;
    size_t *const size_of[] = {
        &shape->slot_bytes, &shape->image_bytes, &shape->dirty,     &shape->read,      &shape->slots,
        &plan->threads,     &plan->processes,    &plan->call_bytes, &plan->keep_bytes, &plan->rounds,
        &plan->cycles,      &plan->warmup,       &plan->seed,
    };
    if (option < SECONDS && !parse_size(text, size_of[option]))
        refuse("bad value: ", text);
    if (option == SECONDS)
        plan->seconds = atof(text);
    else if (option == SET)
        plan->set = parse_word(text, set_words);
    else if (option == BYSTANDER)
        plan->bystander = parse_word(text, bystander_words);
    else if (option == STRATEGIES)
        settings->only = text;
    else if (option == LIBRARY)
        settings->library = text;
    else if (option == DENSE)
        shape->scattered = false;
    else if (option == CHECK)
        plan->check = true;
    else if (option == HELP) {
        fputs(usage, stdout);
        exit(0);
    }
}

/* Whether NAME is a word of a list joined by commas. */
static bool lists(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (!strncmp(at, name, length) && (at[length] == ',' || !at[length]))
            return true;
    return false;
}

static void choose_strategies(struct settings *settings)
{
    struct plan *plan = &settings->plan;
    for (size_t i = 0; i < strategy_count; i++) {
        const struct strategy *strategy = &strategies[i];
        bool wanted = !settings->only || lists(settings->only, strategy->name);
        bool fits = !strategy->most_bytes || plan->shape.slot_bytes <= strategy->most_bytes;
        if (wanted && fits && (settings->library || !strategy->rule) && plan->chosen_count < MOST_STRATEGIES)
            plan->chosen[plan->chosen_count++] = strategy;
    }
    if (!plan->chosen_count)
        refuse("no strategy is left", "");
}

static void parse(int argc, char **argv, struct settings *settings)
{
    *settings = (struct settings){
        .plan = {.shape = {.slot_bytes = 1 << 20, .dirty = 2, .read = 1, .scattered = true, .slots = 8},
                 .threads = 1,
                 .processes = 1,
                 .rounds = 10,
                 .seconds = 0.04,
                 .warmup = 64,
                 .seed = 1}};
    struct plan *plan = &settings->plan;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?')
            refuse("bad option", "");
        set_option(settings, option, optarg);
    }
    size_t range = plan->shape.slot_bytes;
    plan->call_bytes = plan->call_bytes ? plan->call_bytes : range;
    plan->keep_bytes = plan->keep_bytes ? plan->keep_bytes : range;
    if (optind < argc)
        refuse("what is ", argv[optind]);
    if (shape_fault(&plan->shape))
        refuse(shape_fault(&plan->shape), "");
    if (round_up(plan->call_bytes, PAGE) != range)
        refuse("--call must end in the last page of --range", "");
    if (!(plan->seconds > 0) || !plan->rounds || !plan->threads || !plan->processes ||
        plan->threads * plan->processes > MOST_WORKERS)
        refuse("bad number of rounds, seconds, threads or processes", "");
    choose_strategies(settings);
}

/* Starts this program again with keepwarm in it. */
static void preload(const struct settings *settings, char **argv)
{
    const struct plan *plan = &settings->plan;
    char rules[2048] = "";
    for (size_t i = 0; i < plan->chosen_count; i++) {
        size_t length = strlen(rules);
        if (plan->chosen[i]->rule)
            snprintf(rules + length, sizeof rules - length, "%sany,range=%zx-%zx,keep=%zu,%s",
                     length ? ";" : "", (size_t)grid_arena(plan, i, 0), (size_t)grid_arena_end(i),
                     plan->keep_bytes, plan->chosen[i]->rule);
    }
    setenv("KEEPWARM_REGIONS", rules, 1);
    setenv("LD_PRELOAD", settings->library, 1);
    setenv(PRELOADED, "1", 1);
    execv("/proc/self/exe", argv);
    die("starting again");
}

/* In step with the workers, prints what they found: sums over workers for what adds up, else means; of the
   processes, the largest. */
static void conduct(const struct plan *plan, struct meeting *meeting)
{
    size_t workers = plan->threads * plan->processes;
    puts("strategy,rule,round,cycles_per_second,waited_share,reset_ns,faults_per_cycle,system_ns_per_cycle,"
         "resident_bytes,"
         "process_bytes,bystander_per_second,bystander_median_ns,"
         "bystander_hundredth_ns,bystander_thousandth_ns,bystander_slowest_ns");
    for (size_t step = 0; step < plan->rounds * plan->chosen_count; step++) {
        size_t round = step / plan->chosen_count;
        atomic_store(&meeting->running, workers);
        grid_meet(meeting);
        grid_meet(meeting);
        const struct strategy *strategy = plan->chosen[grid_order(plan, round, step % plan->chosen_count)];
        struct result sum = {0};
        for (size_t i = 0; i < workers; i++) {
            const struct result *result = &meeting->results[i];
            sum.cycles_per_second += result->cycles_per_second;
            sum.waited_share += result->waited_share / (double)workers;
            sum.reset_ns += result->reset_ns / (double)workers;
            sum.faults += result->faults / (double)workers;
            sum.system_ns += result->system_ns / (double)workers;
            sum.resident += result->resident;
            sum.process = result->process > sum.process ? result->process : sum.process;
        }
        printf("%s,\"%s\",%zu,%.2f,%.4f,%.1f,%.4f,%.1f,%.0f,%.0f,%.1f,%.0f,%.0f,%.0f,%.0f\n", strategy->name,
               strategy->rule ? strategy->rule : "", round, sum.cycles_per_second, sum.waited_share,
               sum.reset_ns, sum.faults, sum.system_ns, sum.resident, sum.process,
               meeting->bystander.cycles_per_second, meeting->bystander.steps.median,
               meeting->bystander.steps.hundredth, meeting->bystander.steps.thousandth,
               meeting->bystander.steps.slowest);
    }
}

static struct meeting *create_meeting(const struct plan *plan)
{
    struct meeting *meeting =
        mmap(NULL, sizeof *meeting, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (meeting == MAP_FAILED)
        die("memory to share");
    pthread_barrierattr_t shared;
    pthread_barrierattr_init(&shared);
    pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    size_t parties = plan->threads * plan->processes + 1 + (plan->bystander != BYSTANDER_NONE);
    if (pthread_barrier_init(&meeting->barrier, &shared, (unsigned)parties))
        die("barrier");
    return meeting;
}

/* The workers of one process; the first process has the bystander and the conductor too. */
static void run_process(const struct plan *plan, struct meeting *meeting, const struct image *image,
                        size_t process)
{
    bool bystander = !process && plan->bystander != BYSTANDER_NONE;
    size_t threads = plan->threads + bystander;
    struct worker *workers = calloc(threads, sizeof *workers);
    struct kit kit = {
        .image_bytes = plan->shape.image_bytes,
        .slot_bytes = plan->shape.slot_bytes,
        .call_bytes = plan->call_bytes,
        .keep_bytes = plan->keep_bytes,
    };
    raw_open(&kit.raw, image, raw_better_scans(plan->shape.dirty));
    for (size_t i = 0; workers && i < threads; i++) {
        struct result *result = &meeting->results[process * plan->threads + i];
        workers[i] =
            (struct worker){.plan = plan, .meeting = meeting, .kit = kit, .index = i, .result = result};
        if (i < plan->threads)
            grid_worker_create(&workers[i], image);
    }
    for (size_t i = 0; i < threads; i++)
        if (!workers || pthread_create(&workers[i].thread, NULL,
                                       i < plan->threads ? grid_work : grid_stand_by, &workers[i]))
            die("threads");
    if (!process)
        conduct(plan, meeting);
    for (size_t i = 0; i < threads; i++)
        pthread_join(workers[i].thread, NULL);
}

int main(int argc, char **argv)
{
    static struct settings settings;
    parse(argc, argv, &settings);
    const struct plan *plan = &settings.plan;
    if (settings.library && !getenv(PRELOADED))
        preload(&settings, argv);
    alarm(LONGEST_SECONDS);

    static struct image image;
    image_create(&image, plan->shape.image_bytes);
    struct meeting *meeting = create_meeting(plan);
    fflush(stdout);
    for (size_t process = 1; process < plan->processes; process++) {
        pid_t child = fork();
        if (child < 0)
            die("fork");
        if (!child) {
            alarm(LONGEST_SECONDS); /* not inherited */
            run_process(plan, meeting, &image, process);
            return 0;
        }
    }
    run_process(plan, meeting, &image, 0);
    bool failed = atomic_load(&meeting->failed);
    for (size_t process = 1; process < plan->processes; process++) {
        int status;
        if (wait(&status) < 0 || status)
            failed = true;
    }
    return failed;
}
