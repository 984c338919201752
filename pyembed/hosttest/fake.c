/* This file is the fake host's functions. They are C, as Apache's are: a request that enters Go only where the library does. */
#include <Python.h>

#include "fake.h"
#include "gowsgi_packed.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Weak, since only the test binary as a whole has them: this package is linked apart before. */
extern __attribute__((weak)) gowsgi_outcome gowsgi_request_serve(gowsgi_request *request);
extern __attribute__((weak)) void gowsgi_counters_read(gowsgi_counters *out);

extern int hosttest_junction(int junction, void *request);

ht_record ht_process_record = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void put(ht_record *r, const void *data, size_t len)
{
    if (r->cap - r->len < len) {
        r->cap = (r->cap + len) * 2;
        r->data = realloc(r->data, r->cap);
    }
    if (len)
        memcpy(r->data + r->len, data, len);
    r->len += len;
}

static void record(ht_record *r, char kind, int64_t a, int64_t b, const char *data, size_t len)
{
    int64_t numbers[3] = {a, b, (int64_t)len};

    pthread_mutex_lock(&r->lock);
    put(r, &kind, 1);
    put(r, numbers, sizeof numbers);
    put(r, data, len);
    pthread_mutex_unlock(&r->lock);
}

void ht_process_log(int level, gowsgi_span line)
{
    record(&ht_process_record, 'L', level, 0, line.data, line.len);
}

static void wait_ms(int ms)
{
    struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};

    nanosleep(&t, NULL);
}

static ssize_t next_bytes(ht_host *h, char *buf, size_t cap)
{
    ht_read *r;
    size_t n;

    if (h->read_at == h->read_count)
        return GOWSGI_READ_EOF;
    r = &h->reads[h->read_at];
    if (h->read_pos == 0 && r->delay_ms)
        wait_ms(r->delay_ms);
    if (!r->data)
        return r->code;
    n = r->len - h->read_pos < cap ? r->len - h->read_pos : cap;
    memcpy(buf, r->data + h->read_pos, n);
    h->read_pos += n;
    if (h->read_pos == r->len) {
        h->read_at++;
        h->read_pos = 0;
    }
    return (ssize_t)n;
}

static ssize_t fake_read(void *ctx, char *buf, size_t cap)
{
    ht_host *h = ctx;
    int before = __atomic_fetch_add(&h->readers, 1, __ATOMIC_SEQ_CST);
    ssize_t n = next_bytes(h, buf, cap);

    record(&h->record, 'R', before, n, NULL, 0);
    __atomic_fetch_sub(&h->readers, 1, __ATOMIC_SEQ_CST);
    return n;
}

static int fake_head(void *ctx, int status, gowsgi_span line, gowsgi_span headers, int64_t content_length)
{
    ht_host *h = ctx;

    record(&h->record, 'H', status, content_length, line.data, line.len);
    record(&h->record, 'h', 0, 0, headers.data, headers.len);
    return h->refuse_head ? -1 : 0;
}

static int fake_write(void *ctx, gowsgi_span data, unsigned flags)
{
    ht_host *h = ctx;

    record(&h->record, 'W', flags & ~(unsigned)GOWSGI_WRITE_FINAL, 0, data.data, data.len);
    if (h->room < 0)
        return 0;
    h->room -= (int64_t)data.len;
    if (h->room >= 0)
        return 0;
    h->room = 0;
    return -1;
}

static int fake_file(void *ctx, int fd, int64_t offset, int64_t length)
{
    ht_host *h = ctx;
    char *data = malloc((size_t)length + 1);
    ssize_t n = pread(fd, data, (size_t)length, offset);

    record(&h->record, 'F', offset, length, data, n < 0 ? 0 : (size_t)n);
    free(data);
    return h->room < 0 ? 0 : -1;
}

static void fake_log(void *ctx, int level, gowsgi_span line)
{
    record(&((ht_host *)ctx)->record, 'L', level, 0, line.data, line.len);
}

int ht_serve(ht_host *h, gowsgi_request *request, int *outcome)
{
    static const gowsgi_host host = {.size = sizeof host, .read = fake_read, .head = fake_head, .write = fake_write,
                                     .file = fake_file, .log = fake_log};

    if (!gowsgi_request_serve)
        return -1;
    pthread_mutex_init(&h->record.lock, NULL);
    request->size = sizeof *request;
    request->host = &host;
    request->host_ctx = h;
    *outcome = gowsgi_request_serve(request);
    return 0;
}

void ht_counters(uint64_t *requests, uint64_t *go_entries)
{
    gowsgi_counters n;

    gowsgi_counters_read(&n);
    *requests = n.requests;
    *go_entries = n.go_entries;
}

void *ht_junction(void)
{
    int (*fn)(int, void *) = hosttest_junction;

    return (void *)(uintptr_t)fn;
}

ssize_t ht_unpack(const char *data, size_t len, char *out)
{
    gowsgi_span rest = {data, len}, name, value;
    char *to = out;
    int more;

    while ((more = gowsgi_packed_next(&rest, &name, &value)) > 0)
        to = gowsgi_packed_put(to, name, value);
    return more < 0 ? -1 : to - out;
}

int ht_interpreters(void)
{
    int n = 0;

    for (PyInterpreterState *i = PyInterpreterState_Head(); i; i = PyInterpreterState_Next(i))
        n++;
    return n;
}

int ht_thread_states(void)
{
    int n = 0;

    for (PyInterpreterState *i = PyInterpreterState_Head(); i; i = PyInterpreterState_Next(i))
        for (PyThreadState *ts = PyInterpreterState_ThreadHead(i); ts; ts = PyThreadState_Next(ts))
            n++;
    return n;
}
