/* This file keeps the connections of a worker, and receives requests from them. */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static gwd_conn *all;

gwd_conn *gwd_conn_new(int fd)
{
    gwd_conn *conn = calloc(1, sizeof *conn);

    if (!conn)
        return NULL;
    conn->fd = fd;
    pthread_mutex_lock(&lock);
    conn->next = all;
    if (all)
        all->before = conn;
    all = conn;
    pthread_mutex_unlock(&lock);
    return conn;
}

void gwd_conn_close(gwd_conn *conn)
{
    pthread_mutex_lock(&lock);
    if (conn->next)
        conn->next->before = conn->before;
    if (conn->before)
        conn->before->next = conn->next;
    else
        all = conn->next;
    pthread_mutex_unlock(&lock);
    /* A process that an application starts just now may have a copy of the descriptor, until it executes its program. */
    shutdown(conn->fd, SHUT_RDWR);
    close(conn->fd);
    free(conn->partial.data);
    free(conn);
}

void gwd_conn_note_partial(gwd_conn *conn, int64_t since)
{
    pthread_mutex_lock(&lock);
    conn->partial_since = since;
    pthread_mutex_unlock(&lock);
}

void gwd_conn_end_partials(int64_t before)
{
    pthread_mutex_lock(&lock);
    for (gwd_conn *conn = all; conn; conn = conn->next)
        if (conn->partial_since && conn->partial_since < before)
            shutdown(conn->fd, SHUT_RD);
    pthread_mutex_unlock(&lock);
}

void gwd_conn_lock(void)
{
    pthread_mutex_lock(&lock);
}

void gwd_conn_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void gwd_conn_abandon(void)
{
    for (gwd_conn *conn = all; conn; conn = conn->next)
        close(conn->fd);
}

/* ---- Receiving a request ---- */

/* Whether len bytes begin with a whole REQUEST: 1 yes, 0 not yet, -1 they never will. */
static int is_whole(const char *data, size_t len, wire_frame *frame)
{
    if (len < WIRE_HEAD)
        return 0;
    if (wire_get_head(data, frame) != 0 || frame->type != WIRE_REQUEST || len > WIRE_HEAD + frame->length)
        return -1;
    return len == WIRE_HEAD + frame->length;
}

/* Receives without waiting. Returns the number of bytes, 0 for none now, -1 for an end. */
static ssize_t receive(int fd, char *to, size_t cap)
{
    ssize_t n;

    do
        n = recv(fd, to, cap, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    return n > 0 ? n : -1;
}

/* Goes on with a REQUEST that did not arrive at once; the connection keeps what there is, and no thread waits for the rest. */
static int receive_partial(gwd_conn *conn, wire_frame *frame)
{
    gowsgi_buffer *have = &conn->partial;
    int whole;

    while ((whole = is_whole(have->data, have->len, frame)) == 0) {
        size_t need = have->len < WIRE_HEAD ? WIRE_HEAD - have->len : WIRE_HEAD + frame->length - have->len;
        ssize_t n = gowsgi_buffer_reserve(have, need) == 0 ? receive(conn->fd, have->data + have->len, need) : -1;
        if (n <= 0)
            return (int)n;
        have->len += (size_t)n;
    }
    return whole == 1 ? 1 : -2;
}

static int receive_whole(gwd_conn *conn, char *input, wire_frame *frame, const char **data)
{
    ssize_t n;
    int whole;

    *data = input;
    if (!conn->partial.len) {
        n = receive(conn->fd, input, GWD_INPUT);
        if (n <= 0)
            return (int)n;
        whole = is_whole(input, (size_t)n, frame);
        if (whole)
            return whole == 1 ? 1 : -2;
        if (gowsgi_buffer_append(&conn->partial, input, (size_t)n) != 0)
            return -1;
        gwd_conn_note_partial(conn, gwd_monotonic());
    }
    whole = receive_partial(conn, frame);
    *data = conn->partial.data;
    if (whole == 1)
        gwd_conn_note_partial(conn, 0);
    return whole;
}

int gwd_conn_receive(gwd_conn *conn, char *input, gowsgi_span *payload, uint8_t *flags)
{
    const char *data;
    wire_frame frame;
    int rv = receive_whole(conn, input, &frame, &data);

    if (rv == 1) {
        *payload = (gowsgi_span){data + WIRE_HEAD, frame.length};
        *flags = frame.flags;
    }
    return rv == -2 ? gwd_conn_refuse() : rv;
}

int gwd_conn_refuse(void)
{
    gwd_logf_seldom(GOWSGI_LOG_ERR, "GWSGI1001: a peer on the group's socket sent what is no request of mod_gowsgi's; its "
                    "connection was closed. If httpd runs another mod_gowsgi.so than this process, restart it");
    return -1;
}

void gwd_conn_await(const gwd_conn *conn, int ms)
{
    struct pollfd request = {.fd = conn->fd, .events = POLLIN};

    while (poll(&request, 1, ms) < 0 && errno == EINTR)
        continue;
}

void gwd_conn_forget(gwd_conn *conn)
{
    free(conn->partial.data);
    conn->partial = (gowsgi_buffer){NULL, 0, 0};
}

int gwd_conn_retry(gwd_conn *conn, wire_retry reason)
{
    char frame[WIRE_HEAD + 1];

    wire_put_head(frame, WIRE_RETRY, 0, 1);
    frame[WIRE_HEAD] = (char)reason;
    return send(conn->fd, frame, sizeof frame, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof frame ? 0 : -1;
}
