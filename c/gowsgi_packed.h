/* This file packs pairs of names and values into bytes and walks over them: the form in which an environ and response
 * headers travel, inside a process and between processes.
 *
 *   packed = *pair ; pair = name-length value-length name value ; both lengths are 32 bits, big-endian
 *
 * Walking never reads outside the span, whatever bytes it holds.
 */
#ifndef GOWSGI_PACKED_H
#define GOWSGI_PACKED_H

#include <string.h>

#include "gowsgi_abi.h"

#define GOWSGI_PACKED_PAIR_OVERHEAD 8

static inline void gowsgi_put_u32(char *at, uint32_t n)
{
    unsigned char *p = (unsigned char *)at;
    p[0] = (unsigned char)(n >> 24);
    p[1] = (unsigned char)(n >> 16);
    p[2] = (unsigned char)(n >> 8);
    p[3] = (unsigned char)n;
}

static inline uint32_t gowsgi_get_u32(const char *at)
{
    const unsigned char *p = (const unsigned char *)at;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Writes one pair at `at`, which must have room for it; returns the place behind it. The lengths must fit 32 bits. */
static inline char *gowsgi_packed_put(char *at, gowsgi_span name, gowsgi_span value)
{
    gowsgi_put_u32(at, (uint32_t)name.len);
    gowsgi_put_u32(at + 4, (uint32_t)value.len);
    memcpy(at + GOWSGI_PACKED_PAIR_OVERHEAD, name.data, name.len);
    memcpy(at + GOWSGI_PACKED_PAIR_OVERHEAD + name.len, value.data, value.len);
    return at + GOWSGI_PACKED_PAIR_OVERHEAD + name.len + value.len;
}

/* Takes the first pair off rest. Returns 1 and the pair, 0 when rest is empty, -1 when rest is not whole pairs. */
static inline int gowsgi_packed_next(gowsgi_span *rest, gowsgi_span *name, gowsgi_span *value)
{
    size_t room, name_len, value_len;

    if (rest->len == 0)
        return 0;
    if (rest->len < GOWSGI_PACKED_PAIR_OVERHEAD)
        return -1;
    name_len = gowsgi_get_u32(rest->data);
    value_len = gowsgi_get_u32(rest->data + 4);
    room = rest->len - GOWSGI_PACKED_PAIR_OVERHEAD;
    if (name_len > room || value_len > room - name_len)
        return -1;
    name->data = rest->data + GOWSGI_PACKED_PAIR_OVERHEAD;
    name->len = name_len;
    value->data = name->data + name_len;
    value->len = value_len;
    rest->data = value->data + value_len;
    rest->len = room - name_len - value_len;
    return 1;
}

#endif
