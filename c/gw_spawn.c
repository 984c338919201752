/* This file starts gowsgid, which lies beside mod_gowsgi.so, as the supervisor of the daemon process groups.
 *
 * Everything here belongs to one generation and lives in its pconf: this code may be unloaded and loaded again between two, so
 * nothing may call back into it after pconf was cleared. What outlives a graceful restart is a process, and what this file needs
 * to know of it, in a list that each generation takes over from the one before. */
#include "gw_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_portable.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "http_main.h"

#include "gw_exit.h"
#include "gw_group.h"
#include "gw_handover.h"
#include "gw_loader.h"
#include "gw_log.h"

#define PROGRAM_NAME "gowsgid"
#define DISPLAY_NAME "(wsgi:supervisor)"

/* A supervisor that lived for so long had started well. */
#define GOOD_LIFE apr_time_from_sec(10)
#define LONGEST_DELAY_S 30

/* When httpd stops: how long its children have the workers for themselves, and how long the supervisor may take then. Workers have 3
 * seconds, as httpd's own children do. */
#define HEAD_START apr_time_from_sec(1)
#define STOP_LIMIT apr_time_from_sec(4)

/* The supervisor of this generation, as the parent sees it. */
typedef struct supervisor {
    apr_pool_t *pconf;
    server_rec *server;
    pid_t parent;                /* who may act on this: the memory is in forked processes too */
    apr_proc_t proc;             /* pid 0: there is none now */
    int registered;              /* for maintain() */
    int failures;                /* in a row */
    apr_time_t started;
    apr_time_t stopping;         /* since when httpd stops or restarts, not gracefully; 0: it does not */
    int signalled;               /* SIGTERM was sent */
    const char *program;
    char **environment;
    gw_handover handover;        /* the descriptors that it gets */
} supervisor;

static supervisor *current;

/* ---- Fork and exec ---- */

/* The environment of this process, with the supervisor's role and library. */
static char **environment(apr_pool_t *p)
{
    size_t count = 0;
    char **copy;

    while (environ[count])
        count++;
    copy = apr_palloc(p, (count + 3) * sizeof *copy);
    memcpy(copy, environ, count * sizeof *copy);
    copy[count] = apr_pstrdup(p, "GOWSGID_ROLE=supervisor");
    copy[count + 1] = apr_pstrdup(p, "GOWSGID_PYTHON=" GOWSGI_PYTHON);
    copy[count + 2] = NULL;
    return copy;
}

/* Signals as a program expects to find them. */
static void reset_signals(void)
{
    sigset_t none;

    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the new process. It has no thread but this one, and httpd's signals are blocked until it is no httpd any more. Its own
 * process group keeps it out of signals that MPM prefork and terminals send to httpd's. */
static void become_supervisor(const supervisor *s, int delay)
{
    static char *const arguments[] = { DISPLAY_NAME, NULL };

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (gw_handover_place(&s->handover) != 0 || getppid() != s->parent)
        _exit(126);
    reset_signals();
    if (delay)
        sleep((unsigned)delay);
    execve(s->program, arguments, s->environment);
    _exit(127);
}

static void maintain(int reason, void *data, int status);

/* Starts it, to begin after delay seconds. */
static int launch(supervisor *s, int delay)
{
    sigset_t all, before;
    pid_t pid;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0)
        become_supervisor(s, delay);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        ap_log_error(GW_MARK, APLOG_ERR, errno, s->server, "GWSGI1103: the supervisor of the daemon process groups cannot be "
                     "started: fork failed. httpd tries again in some seconds. Look for limits on processes or memory");
        return 0;
    }
    setpgid(pid, pid); /* as it does itself: is_supervisor() must know it from the first moment on */
    s->proc.pid = pid;
    s->started = apr_time_now() + apr_time_from_sec(delay);
    apr_proc_other_child_register(&s->proc, maintain, s, NULL, s->pconf);
    s->registered = 1;
    return 1;
}

/* ---- Supervisors of earlier generations ---- */

/* A supervisor of an earlier generation, left to itself at a graceful restart. */
typedef struct leftover {
    struct leftover *next;
    apr_pool_t *pool;            /* its own */
    apr_proc_t proc;
} leftover;

/* The list of them, which every copy of this code finds. */
static leftover **leftovers(void)
{
    static const char key[] = "gowsgi-leftovers-1";
    leftover **list = ap_retained_data_get(key);

    return list ? list : ap_retained_data_create(key, sizeof *list);
}

/* Whether this is still the supervisor that was started: the MPM may have reaped it, and its number may be another process's
 * now, which must not be signalled. It is our child then, and leads a process group, which httpd's children do not. */
static int is_supervisor(pid_t pid)
{
    siginfo_t info;

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && getpgid(pid) == pid;
}

/* At a graceful restart the supervisor serves the children that still run, and ends after the last of them. */
static void leave_alone(const supervisor *s)
{
    leftover **list = leftovers(), *one;
    apr_pool_t *pool;

    /* Without a parent: httpd's end destroys the pools below that of its process before pconf, whose end needs the list. */
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return;
    one = apr_pcalloc(pool, sizeof *one);
    *one = (leftover){ .next = *list, .pool = pool, .proc = s->proc };
    *list = one;
}

static void forget_leftover(leftover *gone)
{
    leftover **at = leftovers();

    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    apr_pool_destroy(gone->pool);
}

/* Called by the MPM. A process that has ended must not stay registered: APR has dropped its record of it, and would follow the
 * NULL that it left when the next process ends. */
static void leftover_ended(int reason, void *data, int status)
{
    leftover *one = data;

    (void)status;
    if (reason == APR_OC_REASON_DEATH || reason == APR_OC_REASON_LOST) {
        apr_proc_other_child_unregister(one);
        forget_leftover(one);
    }
}

/* Takes over the supervisors of the generations before, so that the MPM does not take them for lost children when they end. It
 * looks for ended processes only between this and the end of pconf. */
static void adopt_leftovers(apr_pool_t *pconf)
{
    leftover *next;

    for (leftover *one = *leftovers(); one; one = next) {
        next = one->next;
        if (is_supervisor(one->proc.pid))
            apr_proc_other_child_register(&one->proc, leftover_ended, one, NULL, pconf);
        else
            forget_leftover(one);
    }
}

/* Tells all supervisors to stop, of this generation and of those before. */
static void signal_all(const supervisor *s)
{
    if (s->proc.pid)
        kill(s->proc.pid, SIGTERM);
    for (leftover *one = *leftovers(); one; one = one->next)
        if (is_supervisor(one->proc.pid))
            kill(one->proc.pid, SIGTERM);
}

/* ---- While httpd runs ---- */

static int next_delay(supervisor *s)
{
    int delay = 0;

    if (apr_time_now() - s->started >= GOOD_LIFE)
        s->failures = 0;
    if (s->failures > 0)
        delay = s->failures > 5 ? LONGEST_DELAY_S : 1 << (s->failures - 1);
    s->failures++;
    return delay;
}

/* The status that a maintenance function was given, as waitpid() has it. APR gives just that when it looks by itself; the MPM gives the
 * number of the exit status or of the signal, without saying which. Of what the supervisor exits with (2: Go's runtime; 126 and 127:
 * become_supervisor()) none is a signal that ends it: SIGHUP and SIGINT it catches. */
static int wait_status(int status)
{
    return status <= 2 || status == 126 || status == 127 ? status << 8 : status;
}

static void died(supervisor *s, const char *ending)
{
    pid_t pid = s->proc.pid;
    int delay;

    s->proc.pid = 0;
    if (s->registered)
        apr_proc_other_child_unregister(s);
    if (s->stopping)
        return;
    delay = next_delay(s);
    ap_log_error(GW_MARK, APLOG_ERR, 0, s->server, "GWSGI1102: the supervisor of the daemon process groups (pid %" APR_PID_T_FMT ") ended "
                 "unexpectedly with %s; its processes end with it. It is started again%s. A line before this one may tell why", pid,
                 ending, delay ? apr_psprintf(s->pconf, " in %d seconds", delay) : "");
    gw_group_vacate();
    launch(s, delay);
}

/* Called by the MPM when the supervisor ended, and several times while httpd waits for the end of its children. */
static void maintain(int reason, void *data, int status)
{
    supervisor *s = data;

    switch (reason) {
    case APR_OC_REASON_DEATH:
        died(s, gw_exit_describe(s->pconf, wait_status(status)));
        break;
    case APR_OC_REASON_LOST:
        died(s, "a status that nobody knows");
        break;
    case APR_OC_REASON_RESTART:
        if (!s->stopping)
            s->stopping = apr_time_now();
        /* Children that wait for a worker's answer would wait on. */
        if (!s->signalled && apr_time_now() - s->stopping >= HEAD_START) {
            signal_all(s);
            s->signalled = 1;
        }
        break;
    case APR_OC_REASON_UNREGISTER:
        s->registered = 0;
        break;
    default:
        break;
    }
}

void gw_spawn_child(apr_pool_t *pchild, server_rec *main_server)
{
    (void)pchild, (void)main_server;
    /* With httpd -X the only process is parent and child. */
    if (current && getpid() != current->parent)
        gw_handover_keep_lease(&current->handover);
}

int gw_spawn_monitor(apr_pool_t *p, server_rec *main_server)
{
    (void)p, (void)main_server;
    if (current && getpid() == current->parent && !current->proc.pid && !current->stopping)
        launch(current, 0);
    return OK;
}

/* ---- When the generation ends ---- */

/* Waits until the process is gone, up to the limit. */
static int is_gone_by(pid_t pid, apr_time_t end)
{
    for (apr_interval_time_t pause = 1000;; pause = pause < 50000 ? pause * 2 : pause) {
        pid_t rc = waitpid(pid, NULL, WNOHANG);
        if (rc == pid || (rc < 0 && errno != EINTR))
            return 1;
        if (apr_time_now() >= end)
            return 0;
        apr_sleep(pause);
    }
}

/* Waits for one that has been told to stop. */
static void await_end(const supervisor *s, pid_t pid, apr_time_t end)
{
    if (is_gone_by(pid, end))
        return;
    ap_log_error(GW_MARK, APLOG_WARNING, 0, s->server, "GWSGI1104: a supervisor of daemon process groups (pid %" APR_PID_T_FMT ") did not "
                 "end in time; it is killed, and its processes end with it. Please report it when it happens again", pid);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* httpd stops, or restarts at once: no supervisor stays, of this generation and of those before. */
static void stop_all(const supervisor *s)
{
    apr_time_t end = apr_time_now() + STOP_LIMIT;

    signal_all(s);
    if (s->proc.pid)
        await_end(s, s->proc.pid, end);
    for (leftover *one = *leftovers(); one; one = one->next)
        await_end(s, one->proc.pid, end);
}

static apr_status_t end_generation(void *data)
{
    supervisor *s = data;

    if (getpid() != s->parent)
        return APR_SUCCESS;
    current = NULL;
    if (s->registered)
        apr_proc_other_child_unregister(s);
    gw_group_attach(NULL);
    gw_handover_close(&s->handover);
    if (s->stopping || ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_EXITING)
        stop_all(s);
    else if (s->proc.pid)
        leave_alone(s);
    return APR_SUCCESS;
}

/* ---- Start ---- */

void gw_spawn_start(apr_pool_t *pconf, server_rec *main_server)
{
    supervisor *s;
    const char *program = gw_loader_beside(pconf, PROGRAM_NAME), *problem = NULL;

    adopt_leftovers(pconf);
    if (gw_group_generation()->group_count == 0)
        return;
    if (access(program, X_OK) != 0) {
        ap_log_error(GW_MARK, APLOG_CRIT, errno, main_server, "GWSGI1101: %s cannot be run: there will be no daemon processes, and "
                     "requests for them are answered with 500. Run make install again, so that " PROGRAM_NAME " lies beside "
                     "mod_gowsgi.so", program);
        return;
    }
    s = apr_pcalloc(pconf, sizeof *s);
    *s = (supervisor){
        .pconf = pconf,
        .server = main_server,
        .parent = getpid(),
        .program = program,
        .environment = environment(pconf),
    };
    problem = gw_handover_prepare(&s->handover, pconf, main_server);
    if (problem) {
        ap_log_error(GW_MARK, APLOG_CRIT, errno, main_server, "GWSGI1105: there will be no daemon processes: %s. Requests for "
                     "them are answered with 500. Look for limits on memory or descriptors, and restart httpd", problem);
        gw_handover_close(&s->handover);
        return;
    }
    gw_group_attach(s->handover.board);
    apr_pool_cleanup_register(pconf, s, end_generation, apr_pool_cleanup_null);
    current = s;
    launch(s, 0);
}
