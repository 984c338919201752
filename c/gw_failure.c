/* This file logs why a daemon process did not serve a request, in one line that names the group, the process, how it ended, and the
 * request. */
#include "gw_failure.h"

#include <errno.h>
#include <time.h>

#include "apr_strings.h"

#include "gw_exit.h"
#include "gw_log.h"

/* How long a request that lost its worker waits for the supervisor to say how the worker ended. */
#define OBITUARY_MS 1000

/* The request line, for "%.300s": the end of the line is to be read, too. */
#define REQUEST_LINE(e) ((e)->r->the_request ? (e)->r->the_request : (e)->r->uri)

gowsgi_outcome gw_failure_status(gw_errand *e, int status)
{
    e->request->status = status;
    return e->host->sent ? GOWSGI_ABORTED : GOWSGI_FAILED;
}

/* ---- No worker ---- */

gowsgi_outcome gw_failure_unreachable(gw_errand *e, int error)
{
    ap_log_rerror(GW_MARK, APLOG_ERR, error, e->r, "GWSGI1111: a process of the daemon process group %s cannot be reached: "
                  "connecting to its socket (%s.*) failed; the request (%.300s) is answered with 503. Apache's user must be able to reach the "
                  "folder of the sockets, see WSGISocketPrefix", e->group->name, gw_group_generation()->socket_prefix,
                  REQUEST_LINE(e));
    return gw_failure_status(e, HTTP_SERVICE_UNAVAILABLE);
}

/* Whether a worker waits for requests on a socket that nobody can find any more. */
static int is_cut_off(const gw_errand *e)
{
    const gw_worker *last = &e->tried[e->tried_count - 1];
    const gowsgi_worker_slot *slot = &e->group->workers[last->slot];

    return __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) == GOWSGI_WORKER_READY
           && __atomic_load_n(&slot->incarnation, __ATOMIC_RELAXED) == last->incarnation;
}

static gowsgi_outcome socket_deleted(gw_errand *e)
{
    char path[GOWSGI_SOCKET_PATH_MAX];
    const gw_worker *last = &e->tried[e->tried_count - 1];

    gw_group_socket_path(path, e->group, last->slot, last->incarnation);
    ap_log_rerror(GW_MARK, APLOG_ERR, ENOENT, e->r, "GWSGI1111: a process of the daemon process group %s cannot be reached: its socket %s "
                  "was deleted while it runs; the request (%.300s) is answered with 503. Restart httpd, and keep what deletes old "
                  "files away from that folder", e->group->name, path, REQUEST_LINE(e));
    return gw_failure_status(e, HTTP_SERVICE_UNAVAILABLE);
}

gowsgi_outcome gw_failure_no_worker(gw_errand *e)
{
    if (e->no_socket && is_cut_off(e))
        return socket_deleted(e);
    ap_log_rerror(GW_MARK, APLOG_ERR, 0, e->r, "GWSGI1112: no process of the daemon process group %s took the request (%.300s) within "
                  "%ld seconds (connect-timeout), after %d that could not; it is answered with 503. They are still starting, or cannot "
                  "start, or have more to do than they can; see the lines before", e->group->name, REQUEST_LINE(e),
                  e->group->connect_timeout_ms / 1000, e->tried_count);
    return gw_failure_status(e, HTTP_SERVICE_UNAVAILABLE);
}

gowsgi_outcome gw_failure_orphaned(gw_errand *e)
{
    ap_log_rerror(GW_MARK, APLOG_ERR, 0, e->r, "GWSGI1119: the daemon process group %s has no process, and gets none any more, since "
                  "httpd's parent process (pid %d) is gone; the request (%.300s) is answered with 503. End this process, too, and start "
                  "httpd again", e->group->name, gw_group_generation()->parent, REQUEST_LINE(e));
    return gw_failure_status(e, HTTP_SERVICE_UNAVAILABLE);
}

/* ---- A worker that does not answer ---- */

/* Whether the supervisor has recorded how the worker ended; *status is then as waitpid() gives it. */
static int read_obituary(const gw_errand *e, int *status)
{
    const gowsgi_worker_slot *slot = &e->group->workers[e->worker.slot];

    if (__atomic_load_n(&slot->exit_incarnation, __ATOMIC_ACQUIRE) != e->worker.incarnation)
        return 0;
    *status = __atomic_load_n(&slot->exit_status, __ATOMIC_RELAXED);
    return 1;
}

/* gowsgi_exit_reason of the worker. */
static uint32_t exit_reason(const gw_errand *e)
{
    const gowsgi_worker_slot *slot = &e->group->workers[e->worker.slot];
    uint32_t reason = __atomic_load_n(&slot->exit_reason, __ATOMIC_RELAXED);

    return __atomic_load_n(&slot->incarnation, __ATOMIC_RELAXED) == e->worker.incarnation ? reason : GOWSGI_EXIT_NONE;
}

/* Whether nobody will record it any more: the supervisor ended, too, as the worker says, or httpd's parent, which empties the slots. */
static int is_forgotten(const gw_errand *e)
{
    const gowsgi_worker_slot *slot = &e->group->workers[e->worker.slot];

    return __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) == GOWSGI_WORKER_EMPTY || exit_reason(e) == GOWSGI_EXIT_ORPHANED;
}

static int await_obituary(const gw_errand *e, int *status)
{
    long end = gw_group_clock() + OBITUARY_MS, rest;

    do {
        uint32_t seen = __atomic_load_n(&e->group->shared->changes, __ATOMIC_ACQUIRE);
        int forgotten = is_forgotten(e); /* first: a slot is emptied after it was recorded */
        if (read_obituary(e, status))
            return 1;
        rest = forgotten ? 0 : end - gw_group_clock();
        if (rest > 0)
            gw_group_await(e->group, seen, rest);
    } while (rest > 0);
    return read_obituary(e, status);
}

/* Why the worker was to stop, as a clause; NULL when nobody wanted it to. */
static const char *why_it_stopped(const gw_errand *e)
{
    static const char *const reasons[] = {
        [GOWSGI_EXIT_RELOAD] = "a script changed, and graceful-timeout passed",
        [GOWSGI_EXIT_MAXIMUM_REQUESTS] = "maximum-requests was reached, and graceful-timeout passed",
        [GOWSGI_EXIT_INACTIVITY] = "inactivity-timeout passed",
        [GOWSGI_EXIT_DEADLOCK] = "deadlock-timeout passed",
        [GOWSGI_EXIT_REQUEST_TIMEOUT] = "request-timeout passed",
        [GOWSGI_EXIT_STARTUP_TIMEOUT] = "startup-timeout passed",
        [GOWSGI_EXIT_SIGNAL] = "somebody sent it a signal to stop",
        [GOWSGI_EXIT_CPU_TIME] = "cpu-time-limit was reached, and graceful-timeout passed",
        [GOWSGI_EXIT_INTERVAL] = "restart-interval passed, and then graceful-timeout",
        [GOWSGI_EXIT_ORPHANED] = "the supervisor of the daemon process groups ended",
    };
    uint32_t reason = exit_reason(e);

    return reason < sizeof reasons / sizeof *reasons ? reasons[reason] : NULL;
}

static const char *how_it_ended(const gw_errand *e, int known, int status)
{
    if (!known)
        return "closed the connection";
    return apr_pstrcat(e->r->pool, "ended with ", gw_exit_describe(e->r->pool, status), NULL);
}

gowsgi_outcome gw_failure_lost(gw_errand *e)
{
    int status = 0, known = await_obituary(e, &status);
    const char *why = why_it_stopped(e);

    if (exit_reason(e) == GOWSGI_EXIT_SERVER) {
        ap_log_rerror(GW_MARK, APLOG_INFO, 0, e->r, "the request is cut off, because httpd stops or restarts: %.300s", REQUEST_LINE(e));
        return gw_failure_status(e, HTTP_SERVICE_UNAVAILABLE);
    }
    ap_log_rerror(GW_MARK, APLOG_ERR, 0, e->r, "GWSGI1113: process %d of the daemon process group %s %s%s%s while it served the request "
                  "(%.300s), which %s. Other lines of that process may tell why", e->conn->pid,
                  e->group->name, how_it_ended(e, known, status), why ? " because " : "", why ? why : "",
                  REQUEST_LINE(e), e->host->sent ? "is cut off" : "is answered with 502");
    return gw_failure_status(e, HTTP_BAD_GATEWAY);
}

/* The connection broke with the request unread, so the application did not run; or in the middle of an answer. */
static gowsgi_outcome broken(gw_errand *e)
{
    if (e->answered)
        return gw_failure_lost(e);
    if (e->conn->pooled)
        e->fresh = 1; /* perhaps only this connection is gone */
    else if (e->tried_count < GW_MAX_TRIES)
        e->tried[e->tried_count++] = e->worker;
    return GOWSGI_RETRY;
}

static gowsgi_outcome timed_out(gw_errand *e, const char *what)
{
    ap_log_rerror(GW_MARK, APLOG_ERR, 0, e->r, "GWSGI1114: process %d of the daemon process group %s %s for %ld seconds "
                  "(socket-timeout, or else Timeout); the request (%.300s) %s. A faster application, or a longer time-out, helps",
                  e->conn->pid, e->group->name, what, e->group->socket_timeout_ms / 1000, REQUEST_LINE(e),
                  e->host->sent ? "is cut off" : "is answered with 504");
    return gw_failure_status(e, HTTP_GATEWAY_TIME_OUT);
}

gowsgi_outcome gw_failure_queued(gw_errand *e)
{
    ap_log_rerror(GW_MARK, APLOG_ERR, 0, e->r, "GWSGI1118: no thread of process %d of the daemon process group %s was free for the request "
                  "(%.300s) within %ld seconds (queue-timeout); it is answered with 504. More threads= or processes=, or a faster "
                  "application, help", e->conn->pid, e->group->name, REQUEST_LINE(e), e->group->queue_timeout_ms / 1000);
    return gw_failure_status(e, HTTP_GATEWAY_TIME_OUT);
}

gowsgi_outcome gw_failure_malformed(gw_errand *e, const char *what)
{
    ap_log_rerror(GW_MARK, APLOG_ERR, 0, e->r, "GWSGI1115: process %d of the daemon process group %s sent %s; the request (%.300s) %s. Either "
                  "something else writes to its socket, or this is a defect of mod_gowsgi, please report it", e->conn->pid,
                  e->group->name, what, REQUEST_LINE(e), e->host->sent ? "is cut off" : "is answered with 502");
    return gw_failure_status(e, HTTP_BAD_GATEWAY);
}

gowsgi_outcome gw_failure_socket(gw_errand *e, int error, const char *idle)
{
    if (error == EAGAIN || error == EWOULDBLOCK)
        return timed_out(e, idle);
    if (error == ECONNRESET || error == EPIPE)
        return broken(e);
    ap_log_rerror(GW_MARK, APLOG_ERR, error, e->r, "GWSGI1116: the connection to process %d of the daemon process group %s failed; the "
                  "request (%.300s) %s. The system's error, at the begin of this line, tells what to look for", e->conn->pid,
                  e->group->name, REQUEST_LINE(e), e->host->sent ? "is cut off" : "is answered with 502");
    return gw_failure_status(e, HTTP_BAD_GATEWAY);
}
