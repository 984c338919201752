/* This file is bytes that grow, for the C of pyembed/ and of daemon/worker/. All zero is an empty buffer; free(data) ends it. */
#ifndef GOWSGI_BUFFER_H
#define GOWSGI_BUFFER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct gowsgi_buffer {
    char *data;
    size_t len, cap;
} gowsgi_buffer;

/* Makes room for so many more bytes. Returns 0, or -1 without memory; the buffer is then as it was. */
static inline int gowsgi_buffer_reserve(gowsgi_buffer *b, size_t more)
{
    size_t cap = b->cap ? b->cap : 4096;
    char *data;

    if (b->cap - b->len >= more)
        return 0;
    while (cap - b->len < more) {
        if (cap > SIZE_MAX / 2)
            return -1;
        cap *= 2;
    }
    data = realloc(b->data, cap);
    if (!data)
        return -1;
    b->data = data;
    b->cap = cap;
    return 0;
}

/* Appends len bytes, which may be none. As gowsgi_buffer_reserve(). */
static inline int gowsgi_buffer_append(gowsgi_buffer *b, const void *data, size_t len)
{
    if (gowsgi_buffer_reserve(b, len) != 0)
        return -1;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    return 0;
}

#endif
