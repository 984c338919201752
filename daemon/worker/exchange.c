/* This file is the worker's end of one exchange on the socket (daemon/wire): the functions through which an application reads the
 * request's body and sends its response, as frames. A small response leaves with one system call, a large one from where it is.
 *
 * The thread that serves the request runs everything here but host_log(), which any thread may call, with Python's lock: that
 * only queues.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define SMALL 16384               /* data up to this size is copied, to leave with what is queued already */
#define BATCH 16                  /* how many chunks of large data one system call sends */
#define LEAST_WANT 8192           /* what is asked for at least: an application that reads byte by byte must not pay for each */
#define MAX_LOGS (1 << 20)        /* more waiting LOG frames than that go to the process's log instead */
#define KEPT 65536                /* a buffer that grew beyond is not kept for the next request */

/* ---- Sending ---- */

/* Writes lines that cannot reach the client's log any more to the process's. */
static void log_direct(const gwd_exchange *x, int level, gowsgi_span line)
{
    char text[8192], who[512];
    int n;

    gwd_describe(x->environ, who, sizeof who);
    n = snprintf(text, sizeof text, "%.*s [%s]", (int)line.len, line.data, who);
    gwd_log(level, (gowsgi_span){text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1});
}

static void spill_logs(const gwd_exchange *x, gowsgi_span logs)
{
    wire_frame frame;

    while (logs.len > WIRE_HEAD && wire_get_head(logs.data, &frame) == 0 && logs.len >= WIRE_HEAD + frame.length) {
        log_direct(x, logs.data[WIRE_HEAD], (gowsgi_span){logs.data + WIRE_HEAD + 1, frame.length - 1});
        logs.data += WIRE_HEAD + frame.length;
        logs.len -= WIRE_HEAD + frame.length;
    }
}

static int broken(gwd_exchange *x)
{
    x->broken = 1;
    return -1;
}

/* Sends all of it. Each system call waits no longer than the socket's time-out. */
static int send_all(gwd_exchange *x, struct msghdr *msg)
{
    while (msg->msg_iovlen > 0) {
        ssize_t n = sendmsg(x->conn->fd, msg, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return broken(x);
        msg->msg_control = NULL;
        msg->msg_controllen = 0;
        while (msg->msg_iovlen > 0 && (size_t)n >= msg->msg_iov->iov_len) {
            n -= (ssize_t)msg->msg_iov->iov_len;
            msg->msg_iov++;
            msg->msg_iovlen--;
        }
        if (msg->msg_iovlen > 0) {
            msg->msg_iov->iov_base = (char *)msg->msg_iov->iov_base + n;
            msg->msg_iov->iov_len -= (size_t)n;
        }
    }
    return 0;
}

/* Sends what is queued, LOG frames first, and then the pieces in iov, whose first two places are free for that. */
static int send_with(gwd_exchange *x, struct iovec *iov, size_t count)
{
    struct iovec *first = iov + 2;
    struct msghdr msg = {0};
    gowsgi_buffer logs;
    int rv;

    pthread_mutex_lock(&x->log_lock);
    logs = x->logs;
    x->logs = (gowsgi_buffer){NULL, 0, 0};
    pthread_mutex_unlock(&x->log_lock);
    if (x->out.len)
        *--first = (struct iovec){x->out.data, x->out.len};
    if (logs.len)
        *--first = (struct iovec){logs.data, logs.len};
    msg.msg_iov = first;
    msg.msg_iovlen = (size_t)(iov + 2 - first) + count;
    rv = x->broken ? -1 : send_all(x, &msg);
    if (rv != 0)
        spill_logs(x, (gowsgi_span){logs.data, logs.len});
    free(logs.data);
    x->out.len = 0;
    gwd_touch(x);
    return rv;
}

static int flush(gwd_exchange *x)
{
    struct iovec none[2];

    return send_with(x, none, 0);
}

/* Queues a frame. Its payload comes in two parts, either of which may be empty. */
static int queue(gwd_exchange *x, wire_type type, uint8_t flags, gowsgi_span a, gowsgi_span b)
{
    char head[WIRE_HEAD];

    wire_put_head(head, type, flags, (uint32_t)(a.len + b.len));
    if (gowsgi_buffer_reserve(&x->out, WIRE_HEAD + a.len + b.len) != 0)
        return broken(x);
    gowsgi_buffer_append(&x->out, head, WIRE_HEAD);
    gowsgi_buffer_append(&x->out, a.data, a.len);
    return gowsgi_buffer_append(&x->out, b.data, b.len);
}

static const gowsgi_span nothing = {"", 0};

void gwd_exchange_finish(gwd_exchange *x)
{
    if (!x->finishing)
        gwd_finish(1);
    x->finishing = 1;
}

/* Queues the frame that ends the exchange. What is logged from now on cannot be sent. */
static int queue_end(gwd_exchange *x, wire_type type, gowsgi_span payload)
{
    pthread_mutex_lock(&x->log_lock);
    x->log_direct = 1;
    pthread_mutex_unlock(&x->log_lock);
    x->ended = 1;
    if (type != WIRE_FILE) /* whose application may have much to do after it */
        gwd_exchange_finish(x);
    return queue(x, type, 0, payload, nothing);
}

static int send_large(gwd_exchange *x, gowsgi_span data, uint8_t flags)
{
    char heads[BATCH][WIRE_HEAD];
    struct iovec iov[2 + 2 * BATCH];

    while (data.len > 0) {
        size_t n = 0;
        for (; n < BATCH && data.len > 0; n++) {
            size_t size = data.len < WIRE_CHUNK ? data.len : WIRE_CHUNK;
            data.len -= size;
            wire_put_head(heads[n], WIRE_DATA, data.len ? 0 : flags, (uint32_t)size);
            iov[2 + 2 * n] = (struct iovec){heads[n], WIRE_HEAD};
            iov[3 + 2 * n] = (struct iovec){(char *)(uintptr_t)data.data, size};
            data.data += size;
        }
        if (send_with(x, iov, 2 * n) != 0)
            return -1;
    }
    return 0;
}

/* ---- The request's body ---- */

static int unexpected(gwd_exchange *x)
{
    broken(x);
    gwd_logf_seldom(GOWSGI_LOG_ERR, "GWSGI1002: a peer on the group's socket sent what is no part of a request body; its connection "
                    "was closed. If httpd runs another mod_gowsgi.so than this process, restart it");
    return GOWSGI_READ_FAILED;
}

/* Receives one frame whose payload goes to dest. Returns 0, or a GOWSGI_READ_* and the exchange is broken. */
static int receive(gwd_exchange *x, wire_frame *frame, char *dest, size_t cap)
{
    char head[WIRE_HEAD];
    size_t got = 0, whole = WIRE_HEAD;

    while (got < whole) {
        struct iovec iov[2] = {{head + got, WIRE_HEAD - got}, {dest, cap}};
        ssize_t n;
        if (got < WIRE_HEAD)
            n = readv(x->conn->fd, iov, 2);
        else
            n = recv(x->conn->fd, dest + (got - WIRE_HEAD), whole - got, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            broken(x);
            return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? GOWSGI_READ_TIMEOUT : GOWSGI_READ_GONE;
        }
        got += (size_t)n;
        if (got < WIRE_HEAD)
            continue;
        if (wire_get_head(head, frame) != 0 || frame->length > cap)
            return unexpected(x);
        whole = WIRE_HEAD + frame->length;
    }
    return got == whole ? 0 : unexpected(x);
}

/* Asks for up to want bytes (one frame) and puts them to dest. Returns their number, or a GOWSGI_READ_*. */
static ssize_t pull(gwd_exchange *x, char *dest, size_t want)
{
    wire_frame frame = {0};
    char number[4];
    int rv;

    gowsgi_put_u32(number, (uint32_t)want);
    if (queue(x, WIRE_WANT, 0, (gowsgi_span){number, sizeof number}, nothing) != 0 || flush(x) != 0)
        return GOWSGI_READ_GONE;
    rv = receive(x, &frame, dest, want);
    gwd_touch(x);
    if (rv != 0)
        return rv;
    if (frame.type == WIRE_BODY && frame.length > 0)
        return (ssize_t)frame.length;
    if (frame.type == WIRE_BODY_END && frame.length == 0)
        return GOWSGI_READ_EOF;
    if (frame.type == WIRE_BODY_FAIL && frame.length == 1 && *dest > 0 && *dest <= -GOWSGI_READ_MALFORMED)
        return -*dest;
    return unexpected(x);
}

static ssize_t take_body(gwd_exchange *x, char *buf, size_t cap)
{
    size_t n = x->body.len < cap ? x->body.len : cap;

    memcpy(buf, x->body.data, n);
    x->body.data += n;
    x->body.len -= n;
    return (ssize_t)n;
}

static ssize_t host_read(void *ctx, char *buf, size_t cap)
{
    gwd_exchange *x = ctx;
    ssize_t n;

    gwd_touch(x);
    if (x->body.len)
        return take_body(x, buf, cap);
    if (x->body_state <= 0)
        return x->body_state;
    if (x->broken || x->ended)
        return GOWSGI_READ_GONE;
    if (cap >= LEAST_WANT) {
        n = pull(x, buf, cap < WIRE_CHUNK ? cap : WIRE_CHUNK);
    } else {
        x->ahead.len = 0;
        n = gowsgi_buffer_reserve(&x->ahead, LEAST_WANT) == 0 ? pull(x, x->ahead.data, LEAST_WANT) : GOWSGI_READ_FAILED;
        if (n > 0) {
            x->body = (gowsgi_span){x->ahead.data, (size_t)n};
            n = take_body(x, buf, cap);
        }
    }
    if (n <= 0)
        x->body_state = (int)n;
    return n;
}

/* ---- The response ---- */

static int host_head(void *ctx, int status, gowsgi_span status_line, gowsgi_span headers, int64_t content_length)
{
    gwd_exchange *x = ctx;
    wire_response response = {.status = (uint16_t)status, .content_length = content_length, .status_line = status_line,
                              .headers = headers};
    size_t len = wire_response_length(&response);

    if (len > WIRE_MAX_PAYLOAD) {
        char text[256];
        int n = snprintf(text, sizeof text, "GWSGI1006: the application's response headers have %zu bytes, more than the %u that "
                         "can be sent; the request is answered 500. Let it send fewer or shorter ones", headers.len, WIRE_MAX_PAYLOAD);
        gwd_host.log(x, GOWSGI_LOG_ERR, (gowsgi_span){text, (size_t)n});
        return -1;
    }
    if (!x->broken && gowsgi_buffer_reserve(&x->out, WIRE_HEAD + len) != 0)
        broken(x);
    if (x->broken)
        return 0; /* the write that follows says that the client is gone */
    wire_put_head(x->out.data + x->out.len, WIRE_HEAD_FRAME, 0, (uint32_t)len);
    wire_put_response(x->out.data + x->out.len + WIRE_HEAD, &response);
    x->out.len += WIRE_HEAD + len;
    return 0;
}

static int host_write(void *ctx, gowsgi_span data, unsigned flags)
{
    gwd_exchange *x = ctx;
    int last = (flags & GOWSGI_WRITE_LAST) != 0, final = last && flags & GOWSGI_WRITE_FINAL;
    uint8_t frame_flags = (uint8_t)(last ? WIRE_FLAG_LAST | WIRE_FLAG_FLUSH : flags & GOWSGI_WRITE_FLUSH ? WIRE_FLAG_FLUSH : 0);

    gwd_touch(x);
    if (x->broken)
        return -1;
    if (data.len > SMALL) {
        if (send_large(x, data, frame_flags) != 0)
            return -1;
    } else if (data.len || (frame_flags && !final)) {
        if (queue(x, WIRE_DATA, frame_flags, data, nothing) != 0)
            return -1;
    }
    if (final && queue_end(x, WIRE_END, nothing) != 0)
        return -1;
    return frame_flags || x->out.len > SMALL ? flush(x) : 0;
}

/* The descriptor must come with the first byte of its frame, so what is queued goes before. */
static int host_file(void *ctx, int fd, int64_t offset, int64_t length)
{
    gwd_exchange *x = ctx;
    char frame[WIRE_HEAD + 16], control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec iov = {frame, sizeof frame};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    if (length <= 0)
        return host_write(x, nothing, GOWSGI_WRITE_LAST);
    if (x->broken || queue_end(x, WIRE_FILE, nothing) != 0)
        return -1;
    x->out.len -= WIRE_HEAD; /* the frame is sent from here, with its descriptor */
    if (flush(x) != 0)
        return -1;
    wire_put_head(frame, WIRE_FILE, 0, 16);
    wire_put_u64(frame + WIRE_HEAD, (uint64_t)offset);
    wire_put_u64(frame + WIRE_HEAD + 8, (uint64_t)length);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return send_all(x, &msg);
}

static void host_log(void *ctx, int level, gowsgi_span line)
{
    gwd_exchange *x = ctx;
    char head[WIRE_HEAD + 1];
    int queued = 0;

    wire_put_head(head, WIRE_LOG, 0, (uint32_t)line.len + 1);
    head[WIRE_HEAD] = (char)level;
    pthread_mutex_lock(&x->log_lock);
    if (!x->log_direct && x->logs.len < MAX_LOGS && gowsgi_buffer_reserve(&x->logs, sizeof head + line.len) == 0) {
        gowsgi_buffer_append(&x->logs, head, sizeof head);
        gowsgi_buffer_append(&x->logs, line.data, line.len);
        queued = 1;
    }
    pthread_mutex_unlock(&x->log_lock);
    if (!queued)
        log_direct(x, level, line);
}

const gowsgi_host gwd_host = {.size = sizeof(gowsgi_host), .read = host_read, .head = host_head, .write = host_write,
                              .file = host_file, .log = host_log};

/* ---- Begin and end ---- */

static void trim(gowsgi_buffer *b)
{
    b->len = 0;
    if (b->cap > KEPT) {
        free(b->data);
        *b = (gowsgi_buffer){NULL, 0, 0};
    }
}

void gwd_exchange_begin(gwd_exchange *x, gwd_conn *conn, const wire_request *request, int body_complete)
{
    x->conn = conn;
    x->broken = x->ended = x->finishing = 0;
    x->idle = (request->flags & GOWSGI_REQ_IGNORE_ACTIVITY) != 0;
    trim(&x->out);
    trim(&x->ahead);
    x->body = request->body;
    x->body_state = body_complete ? GOWSGI_READ_EOF : 1;
    x->environ = request->environ;
    pthread_mutex_lock(&x->log_lock);
    x->log_direct = 0;
    pthread_mutex_unlock(&x->log_lock);
}

static int answer_retry(gwd_exchange *x, wire_retry reason)
{
    char byte = (char)reason;

    x->out.len = 0;
    queue_end(x, WIRE_RETRY, (gowsgi_span){&byte, 1});
    return flush(x);
}

int gwd_exchange_end(gwd_exchange *x, gowsgi_outcome outcome, int status)
{
    char number[2];

    switch (outcome) {
    case GOWSGI_DONE:
        if (x->ended)
            return x->broken ? -1 : 0;
        queue_end(x, WIRE_END, nothing);
        return flush(x);
    case GOWSGI_FAILED:
        x->out.len = 0; /* a head that was stated and not sent */
        wire_put_u16(number, (uint16_t)status);
        queue_end(x, WIRE_FAIL, (gowsgi_span){number, sizeof number});
        return flush(x);
    case GOWSGI_RETRY:
        return answer_retry(x, WIRE_RETRY_RELOAD);
    case GOWSGI_ABORTED:
        queue_end(x, WIRE_ABORT, nothing);
        break;
    default:
        x->out.len = 0;
    }
    flush(x);
    return -1;
}

void gwd_describe(gowsgi_span environ, char *text, size_t cap)
{
    gowsgi_span name, value, method = {"?", 1}, uri = {"?", 1}, address = {"?", 1}, port = {"?", 1};
    const struct {
        const char *name;
        gowsgi_span *value;
    } wanted[] = {{"REQUEST_METHOD", &method}, {"REQUEST_URI", &uri}, {"REMOTE_ADDR", &address}, {"REMOTE_PORT", &port}};

    while (gowsgi_packed_next(&environ, &name, &value) > 0)
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            if (strlen(wanted[i].name) == name.len && !memcmp(wanted[i].name, name.data, name.len))
                *wanted[i].value = value;
    snprintf(text, cap, "%.*s %.*s, client %.*s:%.*s", (int)method.len, method.data, (int)uri.len, uri.data, (int)address.len,
             address.data, (int)port.len, port.data);
}
