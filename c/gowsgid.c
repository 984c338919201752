/* This file is the program that supervisor and workers of daemon mode run in. It opens libgowsgi-X.Y.so, which lies beside
 * it, and calls what its role asks for: there is nothing else in it. GOWSGID_ROLE and GOWSGID_PYTHON in the environment are the role and
 * the X.Y, so that argv[0], which ps shows, is free. */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "gw_library.h"

/* What cannot start, when it cannot. */
static const char *who = "a process of a daemon process group";

/* Logs one line as httpd would, in one write, and ends the process. */
static _Noreturn void fail(const char *what, const char *why)
{
    char line[4096], date[64], year[16];
    struct timeval now;
    struct tm tm;
    int n;

    gettimeofday(&now, NULL);
    localtime_r(&now.tv_sec, &tm);
    strftime(date, sizeof date, "%a %b %d %H:%M:%S", &tm);
    strftime(year, sizeof year, "%Y", &tm);
    n = snprintf(line, sizeof line - 1, "[%s.%06ld %s] [gowsgi:crit] [pid %d:tid %d] GWSGI0900: %s cannot start: %s: %s. "
                 "Requests for it are answered 503. Run make install again, with each Python "
                 "in PYTHON=, so that all files of mod_gowsgi come from one build", date, (long)now.tv_usec, year, getpid(), getpid(), who, what, why);
    n = n < (int)sizeof line - 1 ? n : (int)sizeof line - 2;
    line[n] = '\n';
    _exit(write(2, line, (size_t)n + 1) < 0 ? 2 : 1);
}

/* Whatever httpd or the supervisor blocked or ignored, a process of ours starts with defaults; but a log or a peer that is
 * gone must not end it. All signals are blocked until Go has its threads, for they must not take those of the application. */
static void reset_signals(void)
{
    sigset_t all;

    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, sig == SIGPIPE ? SIG_IGN : SIG_DFL);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

/* Go takes the signals of faults, for those in its own code. Of others it would make a crash of Go's, which ends the process by
 * another signal; but it leaves them to a handler that it found. */
static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE };
static struct sigaction of_go[NSIG];

/* Ends the process as it would have ended without any handler. */
static void die(int sig, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    signal(sig, SIG_DFL);
    raise(sig); /* it is blocked until this returns */
}

/* In front of Go's: a signal that a process sent is no fault. */
static void sort_out(int sig, siginfo_t *info, void *context)
{
    (info->si_code > 0 ? of_go[sig].sa_sigaction : die)(sig, info, context);
}

static void catch_faults(void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction ours = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    sigfillset(&ours.sa_mask);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigaction(faults[i], &ours, &of_go[faults[i]]);
}

static void *find(void *library, const char *path, const char *name)
{
    void *function = dlsym(library, name);

    if (!function)
        fail(path, name);
    return function;
}

/* Opens the library of that Python and waits for Go. The library is of this program's build, or the process ends. libpython comes with it. */
static void *open_library(const char *path, const char *python)
{
    const gowsgi_abi_info *(*describe)(void);
    void (*go_wait)(void);
    const char *difference;
    void *library;

    if (gw_library_is_cut_off(path))
        fail(path, GW_LIBRARY_CUT_OFF);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        fail(path, dlerror());
    describe = (const gowsgi_abi_info *(*)(void))find(library, path, "gowsgi_abi_describe");
    go_wait = (void (*)(void))find(library, path, "gowsgi_go_wait");
    difference = gw_library_difference(describe(), python);
    if (difference)
        fail(path, difference);
    go_wait();
    return library;
}

/* The file beside this program. */
static void find_library(char *path, size_t size, const char *python)
{
    ssize_t n = readlink("/proc/self/exe", path, size - 1);
    char *name;

    if (n <= 0)
        fail("/proc/self/exe", "cannot be read");
    path[n] = '\0';
    name = strrchr(path, '/') + 1;
    size -= (size_t)(name - path);
    if (snprintf(name, size, GW_LIBRARY_PREFIX "%s" GW_LIBRARY_SUFFIX, python) >= (int)size)
        fail(path, "the name is too long");
}

int main(void)
{
    const char *role = getenv("GOWSGID_ROLE"), *python = getenv("GOWSGID_PYTHON");
    int supervisor = role && strcmp(role, "supervisor") == 0;
    int (*run)(void);
    char path[4096];
    void *library;
    sigset_t none;

    if (!python || (!supervisor && (!role || strcmp(role, "worker") != 0))) {
        fputs("gowsgid is started by httpd's module mod_gowsgi, not by hand.\n", stderr);
        return 2;
    }
    find_library(path, sizeof path, python);
    unsetenv("GOWSGID_ROLE");
    unsetenv("GOWSGID_PYTHON");
    if (supervisor) {
        who = "the supervisor of the daemon process groups";
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* with httpd; that it lives still is checked by pid later */
    }
    reset_signals();
    catch_faults(die);
    library = open_library(path, python);
    run = (int (*)(void))find(library, path, supervisor ? "gowsgi_supervisor_main" : "gowsgi_worker_main");
    catch_faults(sort_out);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    return run();
}
