/* This file turns values into the bytes of the socket between an Apache child (the client) and a worker of a daemon process group, and
 * back. doc.go of this package is the protocol's specification. Plain C, without httpd's or Python's headers: both ends
 * include it, and Go's tests drive it.
 *
 * A frame is a head of 8 bytes and a payload: length of the payload (32 bits, big-endian), type, flags, two zero bytes.
 */
#ifndef GOWSGI_WIRE_H
#define GOWSGI_WIRE_H

#include <string.h>

#include "../../c/gowsgi_abi.h"
#include "../../c/gowsgi_packed.h"

#define WIRE_HEAD 8
#define WIRE_MAX_PAYLOAD (4u << 20)   /* a longer frame is a broken peer */
#define WIRE_CHUNK 65536              /* what DATA and BODY frames are cut to */
#define WIRE_INLINE_BODY 16384        /* how much of a body that is at hand travels with its request */

typedef enum wire_type {
    /* client to worker */
    WIRE_REQUEST = 1,
    WIRE_BODY = 2,            /* bytes of the request body, as WANT asked */
    WIRE_BODY_END = 3,        /* the body is complete */
    WIRE_BODY_FAIL = 4,       /* it cannot be read: one byte, the negated GOWSGI_READ_* */
    /* worker to client */
    WIRE_WANT = 16,           /* 32 bits: send up to so many bytes of the body */
    WIRE_HEAD_FRAME = 17,     /* status, content length, status line, packed headers */
    WIRE_DATA = 18,           /* bytes of the response body */
    WIRE_FILE = 19,           /* offset, length (64 bits each); the descriptor comes with the frame's first byte (SCM_RIGHTS) */
    WIRE_LOG = 20,            /* one byte level, then the line */
    WIRE_END = 21,            /* the response is complete; the connection is free for the next request */
    WIRE_ABORT = 22,          /* the response began and cannot be completed */
    WIRE_FAIL = 23,           /* nothing was sent: 16 bits, the status to answer */
    WIRE_RETRY = 24           /* the application did not run: ask another worker; one byte, a wire_retry */
} wire_type;

/* Flags of frames. */
enum {
    WIRE_FLAG_BODY_COMPLETE = 1,  /* REQUEST: the body that travels with it is all of it */
    WIRE_FLAG_FLUSH = 1,          /* DATA: send it to the client now */
    WIRE_FLAG_LAST = 2            /* DATA: the body ends here, send all of it now; LOG, WANT and END may be some time behind, while
                                     the application cleans up */
};

/* Why a worker sends a request back. */
typedef enum wire_retry {
    WIRE_RETRY_RELOAD = 1,    /* the script changed; the worker is being replaced */
    WIRE_RETRY_STOPPING = 2,  /* the worker takes no more requests */
    WIRE_RETRY_BUSY = 3       /* all its threads are at work: the request belongs into the group's queue */
} wire_retry;

typedef struct wire_frame {
    uint32_t length;          /* of the payload */
    uint8_t type, flags;
} wire_frame;

static inline void wire_put_u16(char *at, uint16_t n)
{
    at[0] = (char)(n >> 8);
    at[1] = (char)n;
}

static inline uint16_t wire_get_u16(const char *at)
{
    return (uint16_t)((unsigned char)at[0] << 8 | (unsigned char)at[1]);
}

static inline void wire_put_u64(char *at, uint64_t n)
{
    gowsgi_put_u32(at, (uint32_t)(n >> 32));
    gowsgi_put_u32(at + 4, (uint32_t)n);
}

static inline uint64_t wire_get_u64(const char *at)
{
    return (uint64_t)gowsgi_get_u32(at) << 32 | gowsgi_get_u32(at + 4);
}

static inline void wire_put_head(char *at, wire_type type, uint8_t flags, uint32_t length)
{
    gowsgi_put_u32(at, length);
    at[4] = (char)type;
    at[5] = (char)flags;
    at[6] = at[7] = 0;
}

/* Reads a frame's head from 8 bytes. Returns 0, or -1 when no peer of ours can have sent it. */
static inline int wire_get_head(const char *at, wire_frame *frame)
{
    frame->length = gowsgi_get_u32(at);
    frame->type = (uint8_t)at[4];
    frame->flags = (uint8_t)at[5];
    return frame->length > WIRE_MAX_PAYLOAD || at[6] || at[7] ? -1 : 0;
}

/* ---- REQUEST ----
 * start time, time of sending, script mtime (64 bits each, microseconds since the epoch), since when it waits for a thread (64 bits,
 * microseconds of CLOCK_MONOTONIC), request flags, length of the environ, length of the
 * inline body (32 bits each), lengths of script, group and callable (16 bits each, without their NUL); then these three, each with a
 * NUL; the packed environ; the inline body. */
#define WIRE_REQUEST_FIXED (4 * 8 + 3 * 4 + 3 * 2)

typedef struct wire_request {
    int64_t start_time, sent_time, script_mtime, waiting_since;
    uint32_t flags;               /* GOWSGI_REQ_* */
    gowsgi_span script, app_group, callable; /* NUL behind each */
    gowsgi_span environ, body;
} wire_request;

/* The payload's length for everything but environ and body, which the sender may send from where they are. */
static inline size_t wire_request_prefix_length(const wire_request *r)
{
    return WIRE_REQUEST_FIXED + r->script.len + r->app_group.len + r->callable.len + 3;
}

static inline char *wire_put_string(char *at, gowsgi_span s)
{
    memcpy(at, s.data, s.len);
    at[s.len] = '\0';
    return at + s.len + 1;
}

/* Writes that prefix. The three names must be shorter than 64 KiB. */
static inline void wire_put_request_prefix(char *at, const wire_request *r)
{
    wire_put_u64(at, (uint64_t)r->start_time);
    wire_put_u64(at + 8, (uint64_t)r->sent_time);
    wire_put_u64(at + 16, (uint64_t)r->script_mtime);
    wire_put_u64(at + 24, (uint64_t)r->waiting_since);
    gowsgi_put_u32(at + 32, r->flags);
    gowsgi_put_u32(at + 36, (uint32_t)r->environ.len);
    gowsgi_put_u32(at + 40, (uint32_t)r->body.len);
    wire_put_u16(at + 44, (uint16_t)r->script.len);
    wire_put_u16(at + 46, (uint16_t)r->app_group.len);
    wire_put_u16(at + 48, (uint16_t)r->callable.len);
    at = wire_put_string(at + WIRE_REQUEST_FIXED, r->script);
    at = wire_put_string(at, r->app_group);
    wire_put_string(at, r->callable);
}

static inline int wire_get_string(gowsgi_span *rest, size_t len, gowsgi_span *s)
{
    if (rest->len < len + 1 || rest->data[len] != '\0' || memchr(rest->data, '\0', len))
        return -1;
    *s = (gowsgi_span){rest->data, len};
    rest->data += len + 1;
    rest->len -= len + 1;
    return 0;
}

/* Reads a REQUEST payload; the spans point into it. Returns 0, or -1 when it is malformed. */
static inline int wire_get_request(gowsgi_span payload, wire_request *r)
{
    const char *at = payload.data;
    gowsgi_span rest = {at + WIRE_REQUEST_FIXED, payload.len - WIRE_REQUEST_FIXED};
    size_t environ, body;

    if (payload.len < WIRE_REQUEST_FIXED)
        return -1;
    r->start_time = (int64_t)wire_get_u64(at);
    r->sent_time = (int64_t)wire_get_u64(at + 8);
    r->script_mtime = (int64_t)wire_get_u64(at + 16);
    r->waiting_since = (int64_t)wire_get_u64(at + 24);
    r->flags = gowsgi_get_u32(at + 32);
    environ = gowsgi_get_u32(at + 36);
    body = gowsgi_get_u32(at + 40);
    if (wire_get_string(&rest, wire_get_u16(at + 44), &r->script) != 0 ||
        wire_get_string(&rest, wire_get_u16(at + 46), &r->app_group) != 0 ||
        wire_get_string(&rest, wire_get_u16(at + 48), &r->callable) != 0)
        return -1;
    if (environ > rest.len || body != rest.len - environ)
        return -1;
    r->environ = (gowsgi_span){rest.data, environ};
    r->body = (gowsgi_span){rest.data + environ, body};
    return 0;
}

/* ---- HEAD: status (16 bits), length of the status line (16 bits), content length (64 bits, -1: not known), status line with NUL,
 * packed headers ---- */
#define WIRE_RESPONSE_FIXED 12

typedef struct wire_response {
    uint16_t status;
    int64_t content_length;
    gowsgi_span status_line;      /* NUL behind it */
    gowsgi_span headers;          /* packed */
} wire_response;

static inline size_t wire_response_length(const wire_response *r)
{
    return WIRE_RESPONSE_FIXED + r->status_line.len + 1 + r->headers.len;
}

static inline void wire_put_response(char *at, const wire_response *r)
{
    wire_put_u16(at, r->status);
    wire_put_u16(at + 2, (uint16_t)r->status_line.len);
    wire_put_u64(at + 4, (uint64_t)r->content_length);
    at = wire_put_string(at + WIRE_RESPONSE_FIXED, r->status_line);
    if (r->headers.len)
        memcpy(at, r->headers.data, r->headers.len);
}

static inline int wire_get_response(gowsgi_span payload, wire_response *r)
{
    const char *at = payload.data;
    gowsgi_span rest = {at + WIRE_RESPONSE_FIXED, payload.len - WIRE_RESPONSE_FIXED};

    if (payload.len < WIRE_RESPONSE_FIXED)
        return -1;
    r->status = wire_get_u16(at);
    r->content_length = (int64_t)wire_get_u64(at + 4);
    if (wire_get_string(&rest, wire_get_u16(at + 2), &r->status_line) != 0)
        return -1;
    r->headers = rest;
    return r->status < 200 || r->status > 999 || r->content_length < -1 ? -1 : 0;
}

#endif
