/* This file is the client of the daemon processes: it finds a worker for a request, and another one as long as the application cannot
 * have run. */
#include "gw_daemon.h"

#include <errno.h>

#include "http_protocol.h"

#include "../daemon/wire/wire.h"
#include "gw_exchange.h"
#include "gw_failure.h"
#include "gw_log.h"

/* ---- Waiting for a worker ---- */

static void give_up_on(gw_errand *e, gw_worker worker)
{
    gw_pool_leave(e->group, worker);
    if (e->tried_count < GW_MAX_TRIES)
        e->tried[e->tried_count++] = worker;
}

/* How long a socket that is made anew may take until it is Apache's. */
#define HANDOVER_MS 100

/* Whether it is worth to try once more. */
static int may_be_new(gw_errand *e, int error)
{
    uint32_t seen = __atomic_load_n(&e->group->shared->changes, __ATOMIC_ACQUIRE);

    if (error != EACCES || e->denied)
        return 0;
    e->denied = 1;
    gw_group_await(e->group, seen, HANDOVER_MS);
    return 1;
}

/* Whether the errand can go on after connect() to a worker that was READY a moment ago did not succeed. */
static int refused(gw_errand *e, gw_worker worker, int error)
{
    e->no_socket = error == ENOENT;
    if (error == ECONNREFUSED || error == ENOENT || error == ECONNRESET || error == EAGAIN) {
        give_up_on(e, worker); /* it ended, or has no room for more */
        return GW_GO_ON;
    }
    gw_pool_leave(e->group, worker);
    if (may_be_new(e, error))
        return GW_GO_ON;
    return gw_failure_unreachable(e, error);
}

/* One attempt to get a connection. Only what takes time counts against the errand's patience. */
static int try_to_connect(gw_errand *e, gw_worker worker)
{
    long start;

    e->conn = e->fresh ? NULL : gw_pool_take(e->group, worker);
    if (!e->conn) {
        start = gw_group_clock();
        e->conn = gw_pool_connect(e->group, worker, e->patience_ms);
        if (!e->conn) {
            int error = errno;
            e->patience_ms -= gw_group_clock() - start;
            return refused(e, worker, error);
        }
    }
    e->worker = worker;
    e->counted = 1;
    return GW_GO_ON;
}

/* One attempt to get into the queue, which waits for room there. A socket that is gone comes back: there is a change when it does. */
static int try_to_queue(gw_errand *e)
{
    long start = gw_group_clock();
    int error;

    e->conn = gw_pool_queue(e->group, e->patience_ms);
    error = errno;
    e->patience_ms -= gw_group_clock() - start;
    e->no_socket = !e->conn && (error == ENOENT || error == ECONNREFUSED);
    if (e->conn || e->no_socket || error == EAGAIN || may_be_new(e, error))
        return GW_GO_ON;
    return gw_failure_unreachable(e, error);
}

/* A connection to a worker that has a free thread, or into the queue if none has. */
static int try_once(gw_errand *e, int *again)
{
    gw_worker worker;
    gw_pool_choice choice = e->full ? GW_POOL_FULL : gw_pool_choose(e->group, e->tried, e->tried_count, &worker);

    *again = choice == GW_POOL_CHOSEN;
    if (choice == GW_POOL_CHOSEN)
        return try_to_connect(e, worker);
    return choice == GW_POOL_FULL ? try_to_queue(e) : GW_GO_ON;
}

static int find_worker(gw_errand *e)
{
    while (e->tried_count < GW_MAX_TRIES) {
        uint32_t seen = __atomic_load_n(&e->group->shared->changes, __ATOMIC_ACQUIRE);
        int again, verdict = try_once(e, &again);

        if (e->conn || verdict != GW_GO_ON)
            return verdict;
        if (again)
            continue;
        if (gw_group_is_orphaned())
            return gw_failure_orphaned(e);
        if (gw_group_is_stopping(e->group))
            return gw_failure_stopping(e);
        if (e->patience_ms <= 0)
            break;
        long start = gw_group_clock();
        gw_group_await(e->group, seen, e->patience_ms < GW_GLANCE_MS ? e->patience_ms : GW_GLANCE_MS);
        e->patience_ms -= gw_group_clock() - start;
    }
    return gw_failure_no_worker(e);
}

/* ---- The errand ---- */

/* Whether the request fits into its frame. Limits of httpd's own keep requests far below. */
static int is_too_large(const gowsgi_request *q)
{
    return q->script.len > UINT16_MAX || q->app_group.len > UINT16_MAX || q->callable.len > UINT16_MAX
           || WIRE_REQUEST_FIXED + q->script.len + q->app_group.len + q->callable.len + 3 + q->environ.len + WIRE_INLINE_BODY
              > WIRE_MAX_PAYLOAD;
}

/* Takes along what is at hand of a small body. A client that waits for "100 Continue" is not told to go on before the application
 * reads; nor does anybody wait here. */
static void pack_body(gw_errand *e)
{
    const apr_table_t *headers = e->r->headers_in;
    const char *length = apr_table_get(headers, "Content-Length");
    apr_off_t total = 0;
    char *room;

    /* ap_request_has_body() is not asked: it denies that HEAD can have one. */
    if (apr_table_get(headers, "Transfer-Encoding") || (length && !ap_parse_strict_length(&total, length)))
        return;
    if (total == 0) {
        e->body_complete = 1;
        return;
    }
    if (total > WIRE_INLINE_BODY || e->r->expecting_100)
        return;
    room = apr_palloc(e->r->pool, (apr_size_t)total);
    e->body = (gowsgi_span){ room, gw_host_read_ahead(e->host, room, (size_t)total) };
    e->body_complete = gw_host_has_whole_body(e->host);
}

/* With one worker. */
static int attempt(gw_errand *e)
{
    int verdict = find_worker(e);

    if (verdict != GW_GO_ON)
        return verdict;
    verdict = gw_exchange_run(e);
    gw_exchange_leave(e);
    if (e->conn) {
        gw_pool_close(e->conn);
        e->conn = NULL;
    }
    return verdict;
}

gowsgi_outcome gw_daemon_serve(gw_group *group, gowsgi_request *request, gw_host *host)
{
    gw_errand e = { .r = host->r, .group = group, .request = request, .host = host, .patience_ms = group->connect_timeout_ms };
    int verdict = GOWSGI_RETRY;

    if (!group->shared) {
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, e.r, "GWSGI1110: %s is to run in the daemon process group %s, but httpd could not start its "
                      "processes; the error log has the reason where httpd started. The request is answered with 500",
                      e.r->filename, group->name);
        return GOWSGI_FAILED;
    }
    if (is_too_large(request)) {
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, e.r, "GWSGI1117: a request with an environ of %" APR_SIZE_T_FMT " bytes is too large for a "
                      "daemon process; it is answered with 500. Lower LimitRequestFieldSize or what SetEnv adds",
                      request->environ.len);
        return GOWSGI_FAILED;
    }
    pack_body(&e);
    for (int tries = 0; tries < 2 * GW_MAX_TRIES && verdict == GOWSGI_RETRY; tries += !e.full)
        verdict = attempt(&e);
    if (verdict == GOWSGI_RETRY)
        verdict = gw_failure_no_worker(&e);
    return (gowsgi_outcome)verdict;
}
