/* This file logs why a daemon process did not serve a request, in one line that names the group, the process, how it ended, and the
 * request. */
#include "gw_failure.h"

#include <errno.h>
#include <time.h>

#include "apr_strings.h"

#include "gw_exit.h"
#include "gw_log.h"
#include "gw_pool.h"

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

static gowsgi_outcome socket_deleted(gw_errand *e)
{
    ap_log_rerror(GW_MARK, APLOG_ERR, ENOENT, e->r, "GWSGI1111: the processes of the daemon process group %s cannot be reached: their "
                  "sockets (%s.*) were deleted while they run, and could not be made anew; the request (%.300s) is answered with 503. "
                  "Let root create files in that folder, and keep away from it what deletes old ones", e->group->name,
                  gw_group_generation()->socket_prefix, REQUEST_LINE(e));
    return gw_failure_status(e, HTTP_SERVICE_UNAVAILABLE);
}

gowsgi_outcome gw_failure_no_worker(gw_errand *e)
{
    if (e->no_socket && gw_pool_is_served(e->group))
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

gowsgi_outcome gw_failure_stopping(gw_errand *e)
{
    ap_log_rerror(GW_MARK, APLOG_INFO, 0, e->r, "the request is cut off, because httpd stops or restarts: %.300s", REQUEST_LINE(e));
    return gw_failure_status(e, HTTP_SERVICE_UNAVAILABLE);
}

/* ---- A worker that does not answer ---- */

/* Which worker took a request off the queue and has ended, as far as that can be told: the one that ended last since the request came.
 * Returns how many may have been it. */
static int find_deceased(gw_errand *e)
{
    int count = 0;
    uint64_t last = (uint64_t)e->waiting_since;

    for (uint32_t at = 0; at < e->group->slot_count; at++) {
        const gowsgi_worker_slot *slot = &e->group->workers[at];
        uint64_t ended = __atomic_load_n(&slot->ended, __ATOMIC_ACQUIRE);
        if (ended < (uint64_t)e->waiting_since)
            continue;
        count++;
        if (ended >= last) {
            last = ended;
            e->worker = (gw_worker){ at, __atomic_load_n(&slot->exit_incarnation, __ATOMIC_RELAXED) };
            e->conn->pid = __atomic_load_n(&slot->pid, __ATOMIC_RELAXED);
        }
    }
    return count;
}

/* Whether the supervisor has recorded how the worker ended; *status is then as waitpid() gives it. */
static int read_obituary(gw_errand *e, int *status)
{
    const gowsgi_worker_slot *slot;

    if (e->conn->queued && find_deceased(e) == 0)
        return 0;
    slot = &e->group->workers[e->worker.slot];
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

static int await_obituary(gw_errand *e, int *status)
{
    long end = gw_group_clock() + OBITUARY_MS, rest;

    do {
        uint32_t seen = __atomic_load_n(&e->group->shared->changes, __ATOMIC_ACQUIRE);
        int forgotten = !e->conn->queued && is_forgotten(e); /* first: a slot is emptied after it was recorded */
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

/* The process that has the request, or had it. */
static const char *who(const gw_errand *e)
{
    return e->conn->pid ? apr_psprintf(e->r->pool, "process %d", e->conn->pid) : "a process";
}

gowsgi_outcome gw_failure_lost(gw_errand *e)
{
    int status = 0, known = await_obituary(e, &status), sure = known && !(e->conn->queued && find_deceased(e) > 1);
    const char *why = e->conn->queued && !known ? NULL : why_it_stopped(e);

    if (known && exit_reason(e) == GOWSGI_EXIT_SERVER)
        return gw_failure_stopping(e);
    if (known && !sure)
        e->conn->pid = 0;
    ap_log_rerror(GW_MARK, APLOG_ERR, 0, e->r, "GWSGI1113: %s of the daemon process group %s %s%s%s while it served the request "
                  "(%.300s), which %s. Other lines of that process may tell why", who(e), e->group->name, how_it_ended(e, sure, status),
                  why ? " because " : "", why ? why : "", REQUEST_LINE(e), e->host->sent ? "is cut off" : "is answered with 502");
    return gw_failure_status(e, HTTP_BAD_GATEWAY);
}

/* The connection broke with the request unread, so the application did not run; or in the middle of an answer. */
static gowsgi_outcome broken(gw_errand *e)
{
    if (e->answered)
        return gw_failure_lost(e);
    if (e->conn->pooled)
        e->fresh = 1; /* perhaps only this connection is gone */
    else if (!e->conn->queued && e->tried_count < GW_MAX_TRIES)
        e->tried[e->tried_count++] = e->worker;
    return GOWSGI_RETRY;
}

static gowsgi_outcome timed_out(gw_errand *e, const char *what)
{
    ap_log_rerror(GW_MARK, APLOG_ERR, 0, e->r, "GWSGI1114: %s of the daemon process group %s %s for %ld seconds "
                  "(socket-timeout, or else Timeout); the request (%.300s) %s. A faster application, or a longer time-out, helps",
                  who(e), e->group->name, what, e->group->socket_timeout_ms / 1000, REQUEST_LINE(e),
                  e->host->sent ? "is cut off" : "is answered with 504");
    return gw_failure_status(e, HTTP_GATEWAY_TIME_OUT);
}

gowsgi_outcome gw_failure_queued(gw_errand *e, long limit_ms)
{
    ap_log_rerror(GW_MARK, APLOG_ERR, 0, e->r, "GWSGI1118: no thread of the daemon process group %s was free for the request "
                  "(%.300s) within %ld seconds (%s); it is answered with 504. More threads= or processes=, or a faster "
                  "application, help", e->group->name, REQUEST_LINE(e), limit_ms / 1000,
                  e->group->queue_timeout_ms ? "queue-timeout" : "socket-timeout, or else Timeout");
    return gw_failure_status(e, HTTP_GATEWAY_TIME_OUT);
}

gowsgi_outcome gw_failure_malformed(gw_errand *e, const char *what)
{
    ap_log_rerror(GW_MARK, APLOG_ERR, 0, e->r, "GWSGI1115: %s of the daemon process group %s sent %s; the request (%.300s) %s. Either "
                  "something else writes to its socket, or this is a defect of mod_gowsgi, please report it", who(e),
                  e->group->name, what, REQUEST_LINE(e), e->host->sent ? "is cut off" : "is answered with 502");
    return gw_failure_status(e, HTTP_BAD_GATEWAY);
}

gowsgi_outcome gw_failure_socket(gw_errand *e, int error, const char *idle)
{
    if (error == EAGAIN || error == EWOULDBLOCK)
        return timed_out(e, idle);
    if (error == ECONNRESET || error == EPIPE)
        return broken(e);
    ap_log_rerror(GW_MARK, APLOG_ERR, error, e->r, "GWSGI1116: the connection to %s of the daemon process group %s failed; the "
                  "request (%.300s) %s. The system's error, at the begin of this line, tells what to look for", who(e),
                  e->group->name, REQUEST_LINE(e), e->host->sent ? "is cut off" : "is answered with 502");
    return gw_failure_status(e, HTTP_BAD_GATEWAY);
}
