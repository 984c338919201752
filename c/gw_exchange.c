/* This file speaks the protocol of package wire, as a client, with one worker. */
#include "gw_exchange.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../daemon/wire/wire.h"
#include "gw_failure.h"
#include "gw_log.h"

/* ---- Sending ---- */

/* Sends all of the pieces, which are used up by it. */
static int send_all(gw_errand *e, struct iovec *piece, int count)
{
    struct msghdr message = { .msg_iov = piece, .msg_iovlen = (size_t)count };

    while (message.msg_iovlen > 0) {
        ssize_t sent = sendmsg(e->conn->fd, &message, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EINTR)
                continue;
            return gw_failure_socket(e, errno, "took nothing of what it was sent");
        }
        while (message.msg_iovlen > 0 && (size_t)sent >= message.msg_iov->iov_len) {
            sent -= (ssize_t)message.msg_iov->iov_len;
            message.msg_iov++;
            message.msg_iovlen--;
        }
        if (sent > 0) {
            message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + sent;
            message.msg_iov->iov_len -= (size_t)sent;
        }
    }
    return GW_GO_ON;
}

static int send_request(gw_errand *e)
{
    const gowsgi_request *q = e->request;
    const wire_request fields = {
        .start_time = q->start_time,
        .sent_time = e->sent_time,
        .script_mtime = q->script_mtime,
        .waiting_since = e->waiting_since,
        .flags = q->flags,
        .script = q->script,
        .app_group = q->app_group,
        .callable = q->callable,
        .environ = q->environ,
        .body = e->body,
    };
    size_t prefix = wire_request_prefix_length(&fields), payload = prefix + q->environ.len + e->body.len;
    char small[1024], *head = WIRE_HEAD + prefix <= sizeof small ? small : apr_palloc(e->r->pool, WIRE_HEAD + prefix);
    struct iovec pieces[] = {
        { head, WIRE_HEAD + prefix },
        { (void *)q->environ.data, q->environ.len },
        { (void *)e->body.data, e->body.len },
    };

    wire_put_head(head, WIRE_REQUEST, e->body_complete ? WIRE_FLAG_BODY_COMPLETE : 0, (uint32_t)payload);
    wire_put_request_prefix(head + WIRE_HEAD, &fields);
    return send_all(e, pieces, 3);
}

/* Waits for an answer for so long. Returns whether a thread has the request: there is an answer, or it was read. */
static int is_taken(const gw_conn *conn, long ms)
{
    struct pollfd answer = { .fd = conn->fd, .events = POLLIN };
    int unread = 0, rc;

    do
        rc = poll(&answer, 1, ms < 0 ? 0 : ms > INT_MAX ? INT_MAX : (int)ms);
    while (rc < 0 && errno == EINTR);
    return rc != 0 || ioctl(conn->fd, SIOCOUTQ, &unread) != 0 || unread == 0;
}

/* For a request in the queue: whether it may wait on. connect-timeout says for how long while there is no worker that could take it. */
static int is_hopeful(const gw_errand *e, long now, long *unserved)
{
    if (gw_pool_is_served(e->group))
        *unserved = 0;
    else if (!*unserved)
        *unserved = now;
    return !*unserved || now - *unserved < e->group->connect_timeout_ms;
}

/* Waits until a thread has the request. A worker keeps queue-timeout, too, when one of its threads gets to the request; while none does,
 * this side keeps it. Without one, socket-timeout bounds the wait in the queue. */
static int await_thread(gw_errand *e)
{
    const gw_group *group = e->group;
    const long limit = group->queue_timeout_ms ? group->queue_timeout_ms : group->socket_timeout_ms;
    const long end = (long)(e->waiting_since / 1000) + limit;
    long unserved = 0; /* since when there is no worker; 0: there is one */

    if (!group->queue_timeout_ms && !e->conn->queued)
        return GW_GO_ON;
    for (;;) {
        long now = gw_group_clock(), pause = unserved || group->connect_timeout_ms < GW_GLANCE_MS ? GW_GLANCE_MS : group->connect_timeout_ms;
        if (is_taken(e->conn, e->conn->queued && pause < end - now ? pause : end - now))
            return GW_GO_ON;
        now = gw_group_clock();
        if (now >= end)
            return gw_failure_queued(e, limit);
        if (!is_hopeful(e, now, &unserved))
            return gw_failure_no_worker(e);
    }
}

/* ---- Receiving ---- */

static void keep_passed(gw_conn *conn, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        size_t count;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (conn->passed >= 0)
                close(conn->passed);
            conn->passed = fd;
        }
    }
}

/* Makes room for a frame of so many bytes behind conn->begin, and some for what follows. */
static int make_room(gw_conn *conn, size_t frame)
{
    if (conn->begin + frame <= conn->capacity)
        return 1;
    memmove(conn->buffer, conn->buffer + conn->begin, conn->end - conn->begin);
    conn->end -= conn->begin;
    conn->begin = 0;
    if (frame > conn->capacity) {
        char *larger = realloc(conn->buffer, frame);
        if (!larger)
            return 0;
        conn->buffer = larger;
        conn->capacity = frame;
    }
    return 1;
}

/* Receives once, at least a byte. */
static int receive(gw_errand *e)
{
    gw_conn *conn = e->conn;
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct iovec into = { conn->buffer + conn->end, conn->capacity - conn->end };
    struct msghdr message = { .msg_iov = &into, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    ssize_t got;

    if (e->unflushed) {
        e->unflushed = 0;
        if (e->request->host->write(e->host, (gowsgi_span){ "", 0 }, GOWSGI_WRITE_FLUSH) != 0)
            return GOWSGI_GONE;
    }
    do
        got = recvmsg(conn->fd, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got <= 0 && e->whole)
        return GOWSGI_DONE; /* the client has its response; only the worker's cleaning up was cut off */
    if (got < 0)
        return gw_failure_socket(e, errno, "sent nothing");
    if (message.msg_controllen > 0)
        keep_passed(conn, &message);
    if (got == 0)
        return gw_failure_lost(e);
    conn->end += (size_t)got;
    return GW_GO_ON;
}

/* Takes the next frame off the connection's buffer. payload is valid until the next call. */
static int next_frame(gw_errand *e, wire_frame *frame, gowsgi_span *payload)
{
    gw_conn *conn = e->conn;
    size_t whole = WIRE_HEAD;
    int verdict;

    if (conn->begin == conn->end)
        conn->begin = conn->end = 0;
    for (;;) {
        if (conn->end - conn->begin >= WIRE_HEAD) {
            if (wire_get_head(conn->buffer + conn->begin, frame) != 0)
                return gw_failure_malformed(e, "bytes that are no frame");
            whole = WIRE_HEAD + frame->length;
            if (conn->end - conn->begin >= whole)
                break;
        }
        if (!make_room(conn, whole))
            return gw_failure_malformed(e, "a frame for which there is no memory");
        verdict = receive(e);
        if (verdict != GW_GO_ON)
            return verdict;
    }
    *payload = (gowsgi_span){ conn->buffer + conn->begin + WIRE_HEAD, frame->length };
    conn->begin += whole;
    e->answered = 1;
    return GW_GO_ON;
}

/* Whether the next frame is of this type and has been received whole. */
static int follows(const gw_errand *e, wire_type type)
{
    const gw_conn *conn = e->conn;
    wire_frame frame;

    return conn->end - conn->begin >= WIRE_HEAD && wire_get_head(conn->buffer + conn->begin, &frame) == 0 && frame.type == type
           && conn->end - conn->begin - WIRE_HEAD >= frame.length;
}

/* ---- Frames ---- */

void gw_exchange_leave(gw_errand *e)
{
    if (e->counted)
        gw_pool_leave(e->group, e->worker);
    e->counted = 0;
}

/* The exchange is over, and the connection free for the next one. */
static gowsgi_outcome complete(gw_errand *e, gowsgi_outcome outcome)
{
    gw_exchange_leave(e);
    gw_pool_give(e->group, e->conn);
    e->conn = NULL;
    return outcome;
}

/* The response ends with these bytes. The worker is free before the client has them all. */
static int finish(gw_errand *e, gowsgi_span data)
{
    gw_exchange_leave(e);
    return e->request->host->write(e->host, data, GOWSGI_WRITE_LAST) == 0 ? complete(e, GOWSGI_DONE) : GOWSGI_GONE;
}

static int on_head(gw_errand *e, gowsgi_span payload)
{
    wire_response response;

    if (e->head || wire_get_response(payload, &response) != 0)
        return gw_failure_malformed(e, "a HEAD frame that is wrong there or in itself");
    e->head = 1;
    if (e->request->host->head(e->host, response.status, response.status_line, response.headers, response.content_length) != 0)
        return gw_failure_status(e, HTTP_INTERNAL_SERVER_ERROR);
    return GW_GO_ON;
}

static int on_data(gw_errand *e, gowsgi_span payload, uint8_t frame_flags)
{
    const gowsgi_host *host = e->request->host;
    int flush = frame_flags & WIRE_FLAG_FLUSH;
    unsigned flags = 0;

    if (!e->head || e->whole)
        return gw_failure_malformed(e, "DATA before HEAD or behind the last");
    if (follows(e, WIRE_END)) {
        e->conn->begin += WIRE_HEAD;
        return finish(e, payload);
    }
    if (frame_flags & WIRE_FLAG_LAST) { /* the client does not wait for the application's close() */
        e->unflushed = 0;
        e->whole = 1;
        return host->write(e->host, payload, GOWSGI_WRITE_LAST) == 0 ? GW_GO_ON : GOWSGI_GONE;
    }
    /* What is to be sent at once, but not alone, can go with what has come after it. */
    if (flush && follows(e, WIRE_DATA))
        e->unflushed = 1;
    else if (flush || e->unflushed) {
        flags = GOWSGI_WRITE_FLUSH;
        e->unflushed = 0;
    }
    return host->write(e->host, payload, flags) == 0 ? GW_GO_ON : GOWSGI_GONE;
}

static int on_end(gw_errand *e)
{
    if (!e->head)
        return gw_failure_malformed(e, "END before HEAD");
    if (e->whole)
        return complete(e, GOWSGI_DONE);
    return finish(e, (gowsgi_span){ "", 0 });
}

/* Only regular files: a worker that is up to no good could hand in what blocks for ever. */
static int on_file(gw_errand *e, gowsgi_span payload)
{
    int fd = e->conn->passed, sent;
    uint64_t offset, length;
    struct stat st;

    if (!e->head || e->whole || payload.len != 16 || fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return gw_failure_malformed(e, "a FILE frame that is wrong there, or without a regular file");
    offset = wire_get_u64(payload.data);
    length = wire_get_u64(payload.data + 8);
    if (offset > INT64_MAX || length > INT64_MAX - offset)
        return gw_failure_malformed(e, "a FILE frame with impossible numbers");
    sent = e->request->host->file(e->host, fd, (int64_t)offset, (int64_t)length);
    close(fd);
    e->conn->passed = -1;
    return sent == 0 ? complete(e, GOWSGI_DONE) : GOWSGI_GONE;
}

static int on_log(gw_errand *e, gowsgi_span payload)
{
    int level;

    if (payload.len < 1)
        return gw_failure_malformed(e, "an empty LOG frame");
    level = (unsigned char)payload.data[0];
    if (level < APLOG_EMERG || level > APLOG_TRACE8)
        return gw_failure_malformed(e, "a LOG frame of an unknown level");
    e->request->host->log(e->host, level, (gowsgi_span){ payload.data + 1, payload.len - 1 });
    return GW_GO_ON;
}

/* The application reads the request body. */
static int on_want(gw_errand *e, gowsgi_span payload)
{
    gw_conn *conn = e->conn;
    size_t want, send = WIRE_HEAD;
    ssize_t got;

    if (payload.len != 4 || (want = gowsgi_get_u32(payload.data)) == 0)
        return gw_failure_malformed(e, "a WANT frame that asks for nothing");
    if (!conn->body && !(conn->body = malloc(WIRE_HEAD + WIRE_CHUNK)))
        return gw_failure_status(e, HTTP_INTERNAL_SERVER_ERROR);
    e->body_asked = 1;
    if (e->unflushed) {
        e->unflushed = 0;
        if (e->request->host->write(e->host, (gowsgi_span){ "", 0 }, GOWSGI_WRITE_FLUSH) != 0)
            return GOWSGI_GONE;
    }
    got = e->request->host->read(e->host, conn->body + WIRE_HEAD, want < WIRE_CHUNK ? want : WIRE_CHUNK);
    if (got > 0) {
        wire_put_head(conn->body, WIRE_BODY, 0, (uint32_t)got);
        send += (size_t)got;
    }
    else if (got == GOWSGI_READ_EOF)
        wire_put_head(conn->body, WIRE_BODY_END, 0, 0);
    else {
        wire_put_head(conn->body, WIRE_BODY_FAIL, 0, 1);
        conn->body[WIRE_HEAD] = (char)-got;
        send++;
    }
    return send_all(e, &(struct iovec){ conn->body, send }, 1);
}

static int on_abort(gw_errand *e)
{
    if (e->whole)
        return GOWSGI_DONE;
    return e->host->sent ? GOWSGI_ABORTED : gw_failure_status(e, HTTP_INTERNAL_SERVER_ERROR);
}

static int on_fail(gw_errand *e, gowsgi_span payload)
{
    if (e->host->sent || payload.len != 2)
        return gw_failure_malformed(e, "a FAIL frame that is wrong there or in itself");
    e->request->status = wire_get_u16(payload.data);
    return complete(e, GOWSGI_FAILED);
}

static int on_retry(gw_errand *e, gowsgi_span payload)
{
    if (e->head || e->body_asked || payload.len != 1)
        return gw_failure_malformed(e, "a RETRY frame that is wrong there or in itself");
    e->full = *payload.data == WIRE_RETRY_BUSY;
    if (!e->full && !e->conn->queued && e->tried_count < GW_MAX_TRIES)
        e->tried[e->tried_count++] = e->worker;
    return complete(e, GOWSGI_RETRY);
}

/* Passes frames on until the exchange is over. */
static int relay(gw_errand *e)
{
    int verdict = GW_GO_ON;

    while (verdict == GW_GO_ON) {
        wire_frame frame = { 0 };
        gowsgi_span payload;

        verdict = next_frame(e, &frame, &payload);
        if (verdict != GW_GO_ON)
            return verdict;
        switch (frame.type) {
        case WIRE_HEAD_FRAME: verdict = on_head(e, payload); break;
        case WIRE_DATA: verdict = on_data(e, payload, frame.flags); break;
        case WIRE_END: verdict = on_end(e); break;
        case WIRE_FILE: verdict = on_file(e, payload); break;
        case WIRE_LOG: verdict = on_log(e, payload); break;
        case WIRE_WANT: verdict = on_want(e, payload); break;
        case WIRE_ABORT: verdict = on_abort(e); break;
        case WIRE_FAIL: verdict = on_fail(e, payload); break;
        case WIRE_RETRY: verdict = on_retry(e, payload); break;
        default: verdict = gw_failure_malformed(e, "a frame of an unknown type"); break;
        }
    }
    return verdict;
}

int gw_exchange_run(gw_errand *e)
{
    int verdict;

    if (!e->full) {
        e->sent_time = apr_time_now();
        e->waiting_since = gw_group_clock_us();
    }
    e->answered = e->head = e->unflushed = e->whole = e->full = e->no_socket = 0;
    verdict = send_request(e);
    if (verdict == GW_GO_ON)
        verdict = await_thread(e);
    return verdict == GW_GO_ON ? relay(e) : verdict;
}
