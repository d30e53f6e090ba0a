/* A small program that counts on MADV_DONTNEED: `worker RESETS HOW` makes RESETS resets, checks each, prints
   one line, and ends in the way named HOW. It knows nothing of keepwarm. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 16, STATUS = 3 };

extern char **environ;

static void reset_some(int count)
{
    size_t length = (size_t)PAGES * PAGE;
    unsigned char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        exit(1);
    for (int i = 0; i < count; i++) {
        for (int page = i % 3; page < PAGES; page += 2)
            memset(memory + page * PAGE, 1 + i, PAGE);
        errno = 55;
        if (madvise(memory, length, MADV_DONTNEED) != 0 || errno != 55)
            exit(1);
        for (size_t at = 0; at < length; at += 64)
            if (memory[at])
                exit(1);
    }
    munmap(memory, length);
}

static void at_quick_exit_reset(void)
{
    reset_some(1);
}

static void *thread_resets(void *count)
{
    reset_some(*(int *)count);
    return NULL;
}

static void run_threads(int count)
{
    pthread_t threads[40];
    for (int i = 0; i < 40; i++)
        if (pthread_create(&threads[i], NULL, thread_resets, &count))
            exit(1);
    for (int i = 0; i < 40; i++)
        pthread_join(threads[i], NULL);
}

static void wait_for(pid_t pid)
{
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
        exit(1);
}

/* exec of /bin/true, in every way there is. */
static void become(const char *how)
{
    char *const arguments[] = {(char *)"true", NULL};
    int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
    if (!strcmp(how, "execve"))
        execve("/bin/true", arguments, environ);
    else if (!strcmp(how, "execv"))
        execv("/bin/true", arguments);
    else if (!strcmp(how, "execvp"))
        execvp("true", arguments);
    else if (!strcmp(how, "execvpe"))
        execvpe("true", arguments, environ);
    else if (!strcmp(how, "execl"))
        execl("/bin/true", "true", "a", "b", "c", "d", "e", "f", "g", (char *)NULL);
    else if (!strcmp(how, "execlp"))
        execlp("true", "true", (char *)NULL);
    else if (!strcmp(how, "execle"))
        execle("/bin/true", "true", "a", (char *)NULL, environ);
    else if (!strcmp(how, "fexecve"))
        fexecve(fd, arguments, environ);
    else if (!strcmp(how, "execveat"))
        execveat(fd, "", arguments, environ, AT_EMPTY_PATH);
    else if (!strcmp(how, "SYS_execve"))
        syscall(SYS_execve, "/bin/true", arguments, environ);
    else
        fprintf(stderr, "no such end: %s\n", how);
    exit(9);
}

/* What execl and its kin pass on: the arguments and the environment must come out as given. */
static void echo(const char *how)
{
    char *const environment[] = {(char *)"A=1", NULL};
    if (!strcmp(how, "echo_execl"))
        execl("/bin/echo", "echo", "1", "2", "3", "4", "5", "6", "7", "8", "9", (char *)NULL);
    if (!strcmp(how, "echo_execlp"))
        execlp("echo", "echo", "1", (char *)NULL);
    execle("/usr/bin/env", "env", (char *)NULL, environment);
    exit(9);
}

static void end(const char *how, int count)
{
    if (!strcmp(how, "return"))
        return;
    if (!strcmp(how, "exit"))
        exit(STATUS);
    if (!strcmp(how, "_exit"))
        _exit(STATUS);
    if (!strcmp(how, "_Exit"))
        _Exit(STATUS);
    if (!strcmp(how, "quick_exit"))
        quick_exit(STATUS);
    if (!strcmp(how, "at_quick_exit")) {
        at_quick_exit(at_quick_exit_reset);
        quick_exit(STATUS);
    }
    if (!strcmp(how, "exit_group"))
        syscall(SYS_exit_group, STATUS);
    if (!strcmp(how, "pthread_exit"))
        pthread_exit(NULL);
    if (!strcmp(how, "kill"))
        kill(getpid(), SIGKILL);
    if (!strcmp(how, "pause"))
        for (char byte; read(0, &byte, 1) > 0; fflush(stdout)) {
            reset_some(1);
            puts("again");
        }
    if (!strcmp(how, "threads")) {
        run_threads(count);
        return;
    }
    if (!strcmp(how, "failed_exec")) {
        execl("/nowhere/to/be/found", "x", (char *)NULL);
        reset_some(1);
        return;
    }
    if (!strcmp(how, "vfork_exec") || !strcmp(how, "vfork_exit")) {
        pid_t pid = vfork();
        if (pid == 0) {
            if (!strcmp(how, "vfork_exec"))
                execl("/bin/true", "true", (char *)NULL);
            _exit(0);
        }
        wait_for(pid);
        kill(getpid(), SIGKILL); /* so that only the child could have written */
    }
    if (!strcmp(how, "fork")) {
        pid_t pid = fork();
        if (pid == 0) {
            reset_some(2);
            exit(0);
        }
        wait_for(pid);
        return;
    }
    if (!strncmp(how, "echo", 4))
        echo(how);
    if (strcmp(how, "pause"))
        become(how);
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 1;
    reset_some(count);
    printf("did %d resets\n", count);
    fflush(stdout);
    if (argc > 2)
        end(argv[2], count);
    return 0;
}
