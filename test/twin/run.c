/* See run.h. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "episode.h"
#include "place.h"

#define JOBS 2
#define TIME_LIMIT 600.0 /* seconds for an episode: past it, it hangs; most of a minute in an emulator */

struct job {
    pid_t process; /* 0: free */
    unsigned long episode;
    const struct group *group;
    struct report *report;
    int report_file;
    double began;
    char stats[128];
    char settings[512];
};

static volatile sig_atomic_t stopped;

static void on_stop(int number)
{
    stopped = number;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void set_library(const struct run *run, struct job *job, int place)
{
    char settings[400], extra[200], preload[600];
    const char *before = getenv("LD_PRELOAD");
    if (run->options.plain)
        return;
    snprintf(preload, sizeof preload, "%s%s%s", before ? before : "", before ? ":" : "",
             run->options.library);
    place_options(place, job->episode, run->folder, extra, sizeof extra);
    snprintf(settings, sizeof settings, "%s%sstats=%s/%%p.json%s", job->group->options,
             job->group->options[0] ? "," : "", job->stats, extra);
    setenv("LD_PRELOAD", preload, 1);
    setenv("KEEPWARM", settings, 1);
    if (job->group->regions)
        setenv("KEEPWARM_REGIONS", job->group->regions, 1);
    else
        unsetenv("KEEPWARM_REGIONS");
}

_Noreturn static void exec_episode(const struct run *run, struct job *job, int place)
{
    const struct options *options = &run->options;
    char seed[24], episode[24], child[200];
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    snprintf(seed, sizeof seed, "%lu", options->seed);
    snprintf(episode, sizeof episode, "%lu", job->episode);
    snprintf(child, sizeof child, "%d:%lx:%s", job->report_file, run->machine, run->folder);
    fcntl(job->report_file, F_SETFD, 0);
    setenv("TWIN_CHILD", child, 1);
    if (strcmp(job->group->name, "early") == 0)
        setenv("TWIN_EARLY", "resets", 1);
    set_library(run, job, place);
    place_before_exec(place, job->episode);
    char *arguments[] = {(char *)options->program,
                         "--seed",
                         seed,
                         "--episode",
                         episode,
                         "--place",
                         (char *)place_name(options->place),
                         options->verbose ? "--verbose" : NULL,
                         NULL};
    execv("/proc/self/exe", arguments);
    execv(options->program, arguments);
    perror("twin: exec");
    _exit(125);
}

static int place_of(const struct run *run, const struct group *group)
{
    return run->options.place != PLACE_none ? run->options.place : group->place;
}

static void start_job(const struct run *run, struct job *job, unsigned long episode)
{
    job->episode = episode;
    job->group = group_of(run->options.seed, episode, run->options.place);
    if (!group_possible(job->group, run->machine))
        job->group = group_at(0);
    memset(job->report, 0, sizeof *job->report);
    job->began = now();
    job->process = fork();
    if (job->process == 0)
        exec_episode(run, job, place_of(run, job->group));
    if (job->process < 0) {
        perror("twin: fork");
        exit(125);
    }
}

static void print_history(const struct report *report, unsigned ring)
{
    unsigned next = report->history_next[ring], first = next > HISTORY ? next - HISTORY : 0;
    if (next == 0)
        return;
    printf("  the last steps%s:\n", ring ? " of the fork child" : "");
    for (unsigned i = first; i < next; i++)
        printf("    %s\n", report->history[ring][i % HISTORY]);
}

static void tell_failure(const struct run *run, const struct job *job, int status)
{
    const struct options *options = &run->options;
    const struct report *report = job->report;
    printf("FAILED: episode %lu (%s, %s)\n", job->episode, job->group->name,
           place_text(place_of(run, job->group)));
    if (atomic_load(&report->failed))
        printf("  %s\n", report->failure);
    else if (WIFSIGNALED(status))
        printf("  the process was ended by signal %d\n", WTERMSIG(status));
    else
        printf("  the process ended with status %d\n", WEXITSTATUS(status));
    print_history(report, 0);
    if (atomic_load(&report->failed) == 2)
        print_history(report, 1);
    if (!options->plain)
        printf("  settings: KEEPWARM_REGIONS='%s' KEEPWARM='%s'\n",
               job->group->regions ? job->group->regions : "", job->group->options);
    printf("  repeat it with:\n    ");
    if (!options->plain)
        printf("KEEPWARM_LIBRARY=%s ", options->library);
    printf("%s --seed %lu --episode %lu%s%s%s\n", options->program, options->seed, job->episode,
           options->place ? " --place " : "", options->place ? place_name(options->place) : "",
           options->plain ? " --plain" : "");
}

/* Adds up a job that has ended; false if it failed. */
static bool end_job(struct run *run, struct job *job, int status)
{
    unsigned group = group_index(job->group);
    struct totals totals = {0};
    job->process = 0;
    run->episodes++;
    run->operations += atomic_load(&job->report->operations);
    run->resets += atomic_load(&job->report->resets);
    run->group_resets[group] += atomic_load(&job->report->resets);
    for (unsigned i = 0; i < ROW_COUNT; i++)
        run->rows[i] += atomic_load(&job->report->rows[i]);
    totals_add_folder(&totals, job->stats);
    totals_add(&run->groups[group], &totals);
    if (totals.verify_differences && !atomic_exchange(&job->report->failed, 1))
        snprintf(job->report->failure, sizeof job->report->failure,
                 "no difference seen from here, but the library's own mode=verify counts %lu",
                 totals.verify_differences);
    if (totals.unbalanced && !atomic_exchange(&job->report->failed, 1))
        snprintf(job->report->failure, sizeof job->report->failure,
                 "the library counts %lu calls, but %lu served and %lu forwarded", totals.calls,
                 totals.served, totals.forwarded);
    if (status == 0 && !atomic_load(&job->report->failed))
        return true;
    if (!stopped)
        tell_failure(run, job, status);
    run->failures++;
    return false;
}

static bool reap(struct run *run, struct job *jobs)
{
    bool fine = true;
    for (unsigned i = 0; i < JOBS; i++) {
        int status;
        if (!jobs[i].process)
            continue;
        if (now() - jobs[i].began > TIME_LIMIT) {
            printf("twin: episode %lu takes longer than %.0f s\n", jobs[i].episode, TIME_LIMIT);
            kill(jobs[i].process, SIGKILL);
            waitpid(jobs[i].process, &status, 0);
            fine &= end_job(run, &jobs[i], status);
        } else if (waitpid(jobs[i].process, &status, WNOHANG) == jobs[i].process) {
            fine &= end_job(run, &jobs[i], status);
        }
    }
    return fine;
}

static void stop_jobs(struct job *jobs)
{
    for (unsigned i = 0; i < JOBS; i++)
        if (jobs[i].process) {
            kill(jobs[i].process, SIGKILL);
            waitpid(jobs[i].process, NULL, 0);
            jobs[i].process = 0;
        }
}

static void make_jobs(const struct run *run, struct job *jobs)
{
    for (unsigned i = 0; i < JOBS; i++) {
        struct job *job = &jobs[i];
        snprintf(job->stats, sizeof job->stats, "%s/stats%u", run->folder, i);
        job->report_file = memfd_create("report", MFD_CLOEXEC);
        if (mkdir(job->stats, 0777) != 0 || chmod(job->stats, 0777) != 0 ||
            ftruncate(job->report_file, sizeof(struct report)) != 0) {
            perror("twin");
            exit(125);
        }
        job->report =
            mmap(NULL, sizeof(struct report), PROT_READ | PROT_WRITE, MAP_SHARED, job->report_file, 0);
    }
}

static bool busy(const struct job *jobs)
{
    bool any = false;
    for (unsigned i = 0; i < JOBS; i++)
        any |= jobs[i].process != 0;
    return any;
}

bool run_episodes(struct run *run)
{
    static struct job jobs[JOBS];
    struct timespec moment = {0, 500000};
    struct sigaction action = {.sa_handler = on_stop};
    bool one = run->options.episode >= 0, fine = true;
    unsigned long next = one ? (unsigned long)run->options.episode : 0, planned = 0;
    double began = now();
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    make_jobs(run, jobs);
    while (fine && !stopped && (planned < run->options.operations || busy(jobs))) {
        for (unsigned i = 0; i < JOBS && planned < run->options.operations; i++) {
            if (jobs[i].process)
                continue;
            start_job(run, &jobs[i], next++);
            planned = one ? run->options.operations : planned + jobs[i].group->steps;
        }
        fine = reap(run, jobs);
        if (fine)
            nanosleep(&moment, NULL);
    }
    stop_jobs(jobs);
    run->seconds = now() - began;
    return fine && !stopped;
}

void run_child(const struct options *options, const char *child)
{
    char *rest;
    int report = (int)strtol(child, &rest, 10);
    world.machine = strtoul(rest + 1, &rest, 16);
    world.folder = rest + 1;
    world.episode = (unsigned long)options->episode;
    world.verbose = options->verbose;
    world.group = group_of(options->seed, world.episode, options->place);
    if (!group_possible(world.group, world.machine))
        world.group = group_at(0);
    world.place = options->place ? options->place : world.group->place;
    world.report = mmap(NULL, sizeof(struct report), PROT_READ | PROT_WRITE, MAP_SHARED, report, 0);
    if (world.report == MAP_FAILED) {
        perror("twin: report");
        _exit(125);
    }
    raw_call(SYS_close, report, 0, 0, 0, 0, 0);
    episode_run(options->seed);
}
