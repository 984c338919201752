/* This file is a host (gowsgi_abi.h) for tests: the request's body comes from memory, what the library calls is recorded. */
#ifndef HOSTTEST_FAKE_H
#define HOSTTEST_FAKE_H

#include <pthread.h>

#include "gowsgi_abi.h"

/* One answer of read(): bytes, or with data NULL a code of GOWSGI_READ_*. */
typedef struct ht_read {
    const char *data;
    size_t len;
    ssize_t code;
    int delay_ms;                 /* waited before the answer */
} ht_read;

/* What was called, in order: records of kind, a, b, length (a byte and three 64-bit numbers) and bytes. */
typedef struct ht_record {
    pthread_mutex_t lock;
    char *data;
    size_t len, cap;
} ht_record;

typedef struct ht_host {
    ht_record record;
    ht_read *reads;
    size_t read_count, read_at, read_pos;
    int readers;                  /* threads inside read() */
    int64_t room;                 /* bytes of body after which the client is gone; -1: never */
    int refuse_head;
} ht_host;

extern ht_record ht_process_record;

void ht_process_log(int level, gowsgi_span line);
int ht_serve(ht_host *host, gowsgi_request *request, int *outcome);
void ht_counters(uint64_t *requests, uint64_t *go_entries);
void *ht_junction(void);

/* Decodes packed pairs into text: each pair's lengths and bytes as they were read; -1 when malformed. out must hold the input twice. */
ssize_t ht_unpack(const char *data, size_t len, char *out);

/* How many interpreters Python has in this process, and how many thread states. Any thread without the GIL. */
int ht_interpreters(void);
int ht_thread_states(void);

#endif
