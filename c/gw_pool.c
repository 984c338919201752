/* This file chooses a worker for each request, by what the scoreboard says, keeps connections to workers open, and connects to the
 * group's queue. */
#include "gw_pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Idle connections to one worker, at least; else as many as it has threads. */
#define IDLE_MINIMUM 4

/* What a child has to do with one slot. */
typedef struct gw_pool_slot {
    gw_conn *idle;               /* the one that was used last comes first */
    uint32_t idle_count;
    uint32_t requests;           /* of this child, in this slot; atomic */
} gw_pool_slot;

struct gw_pool {
    pthread_mutex_t lock;        /* for the idle lists */
    uint32_t turn;               /* where the search for a worker begins; atomic */
    gw_pool_slot slots[];
};

gw_pool *gw_pool_create(apr_pool_t *p, uint32_t slots)
{
    gw_pool *pool = apr_pcalloc(p, sizeof *pool + slots * sizeof(gw_pool_slot));

    pthread_mutex_init(&pool->lock, NULL);
    return pool;
}

/* ---- The choice of a worker ---- */

static uint32_t load(const uint32_t *shared)
{
    return __atomic_load_n(shared, __ATOMIC_ACQUIRE);
}

static int is_tried(const gw_worker *tried, int count, uint32_t slot, uint32_t incarnation)
{
    for (int i = 0; i < count; i++)
        if (tried[i].slot == slot && tried[i].incarnation == incarnation)
            return 1;
    return 0;
}

static void close_all(gw_conn *conn)
{
    while (conn) {
        gw_conn *next = conn->next;
        gw_pool_close(conn);
        conn = next;
    }
}

/* Closes the connections to a slot's worker that takes no more requests. */
static void drop_idle(gw_pool *pool, gw_pool_slot *own)
{
    gw_conn *idle;

    pthread_mutex_lock(&pool->lock);
    idle = own->idle;
    own->idle = NULL;
    own->idle_count = 0;
    pthread_mutex_unlock(&pool->lock);
    close_all(idle);
}

/* How much a worker has to do. It has counted what it has begun; what it was just sent, by this child at least, is not among that. */
static uint32_t burden(const gowsgi_worker_slot *slot, gw_pool_slot *own)
{
    uint32_t begun = load(&slot->busy), sent = __atomic_load_n(&own->requests, __ATOMIC_RELAXED);

    return begun > sent ? begun : sent;
}

/* Counts a request for a worker, unless other threads of this child have just filled it. */
static int count_in(const gw_group *group, gw_worker worker)
{
    uint32_t *requests = &group->pool->slots[worker.slot].requests;

    if (__atomic_fetch_add(requests, 1, __ATOMIC_RELAXED) < group->threads)
        return 1;
    __atomic_fetch_sub(requests, 1, __ATOMIC_RELAXED);
    return 0;
}

gw_pool_choice gw_pool_choose(gw_group *group, const gw_worker *tried, int tried_count, gw_worker *out)
{
    gw_pool *pool = group->pool;
    uint32_t turn = __atomic_load_n(&pool->turn, __ATOMIC_RELAXED), least = UINT32_MAX;
    gw_pool_choice choice = GW_POOL_NONE;

    for (uint32_t i = 0; i < group->slot_count && least > 0; i++) {
        uint32_t at = (turn + i) % group->slot_count, incarnation, has;
        const gowsgi_worker_slot *slot = &group->workers[at];

        if (load(&slot->state) != GOWSGI_WORKER_READY) {
            if (__atomic_load_n(&pool->slots[at].idle_count, __ATOMIC_RELAXED))
                drop_idle(pool, &pool->slots[at]);
            continue;
        }
        incarnation = load(&slot->incarnation);
        choice = GW_POOL_FULL;
        if (tried_count && is_tried(tried, tried_count, at, incarnation))
            continue;
        has = burden(slot, &pool->slots[at]);
        if (has < least) {
            least = has;
            *out = (gw_worker){ at, incarnation };
        }
    }
    if (least >= group->threads || !count_in(group, *out))
        return choice;
    __atomic_store_n(&pool->turn, out->slot + 1, __ATOMIC_RELAXED);
    return GW_POOL_CHOSEN;
}

int gw_pool_is_served(const gw_group *group)
{
    for (uint32_t at = 0; at < group->slot_count; at++)
        if (load(&group->workers[at].state) == GOWSGI_WORKER_READY)
            return 1;
    return 0;
}

void gw_pool_leave(gw_group *group, gw_worker worker)
{
    __atomic_fetch_sub(&group->pool->slots[worker.slot].requests, 1, __ATOMIC_RELAXED);
}

/* ---- Connections ---- */

gw_conn *gw_pool_take(gw_group *group, gw_worker worker)
{
    gw_pool *pool = group->pool;
    gw_pool_slot *own = &pool->slots[worker.slot];
    gw_conn *conn, *gone = NULL;

    pthread_mutex_lock(&pool->lock);
    while ((conn = own->idle)) {
        own->idle = conn->next;
        __atomic_fetch_sub(&own->idle_count, 1, __ATOMIC_RELAXED);
        if (conn->worker.incarnation == worker.incarnation)
            break;
        conn->next = gone;
        gone = conn;
    }
    pthread_mutex_unlock(&pool->lock);
    close_all(gone);
    return conn;
}

void gw_pool_give(gw_group *group, gw_conn *conn)
{
    gw_pool *pool = group->pool;
    gw_pool_slot *own = conn->queued ? NULL : &pool->slots[conn->worker.slot];
    uint32_t limit = group->threads > IDLE_MINIMUM ? group->threads : IDLE_MINIMUM;
    int full;

    if (conn->queued || conn->capacity > GW_CONN_BUFFER || conn->begin != conn->end || conn->passed >= 0) {
        gw_pool_close(conn);
        return;
    }
    conn->pooled = 1;
    conn->begin = conn->end = 0;
    pthread_mutex_lock(&pool->lock);
    full = own->idle_count >= limit;
    if (!full) {
        conn->next = own->idle;
        own->idle = conn;
        __atomic_fetch_add(&own->idle_count, 1, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&pool->lock);
    if (full)
        gw_pool_close(conn);
}

static void set_timeout(int fd, int option, long ms)
{
    struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

    if (ms <= 0)
        limit.tv_usec = 1000; /* 0 would mean: none */
    setsockopt(fd, SOL_SOCKET, option, &limit, sizeof limit);
}

/* Of a UNIX socket, the kernel counts the sender's buffer: what the worker is to receive is held by ours. */
static void set_buffers(int fd, const gw_group *group)
{
    int send = (int)gw_daemon_num(group->daemon, GW_OPT_RECEIVE_BUFFER_SIZE);
    int receive = (int)gw_daemon_num(group->daemon, GW_OPT_SEND_BUFFER_SIZE);

    if (send)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send, sizeof send);
    if (receive)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive);
}

/* A connected socket, or -1 and errno. */
static int open_socket(gw_group *group, const struct sockaddr_un *address, long timeout_ms)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc, error;

    if (fd < 0)
        return -1;
    set_buffers(fd, group);
    set_timeout(fd, SO_SNDTIMEO, timeout_ms);
    do
        rc = connect(fd, (const struct sockaddr *)address, sizeof *address);
    while (rc != 0 && errno == EINTR);
    if (rc == 0) {
        set_timeout(fd, SO_SNDTIMEO, group->socket_timeout_ms);
        set_timeout(fd, SO_RCVTIMEO, group->socket_timeout_ms);
        return fd;
    }
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

static gw_conn *open_conn(gw_group *group, const struct sockaddr_un *address, long timeout_ms)
{
    gw_conn *conn;
    int fd = open_socket(group, address, timeout_ms);

    if (fd < 0)
        return NULL;
    conn = calloc(1, sizeof *conn);
    if (conn)
        conn->buffer = malloc(GW_CONN_BUFFER);
    if (!conn || !conn->buffer) {
        free(conn);
        close(fd);
        errno = ENOMEM;
        return NULL;
    }
    conn->capacity = GW_CONN_BUFFER;
    conn->fd = fd;
    conn->passed = -1;
    return conn;
}

gw_conn *gw_pool_connect(gw_group *group, gw_worker worker, long timeout_ms)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    gw_conn *conn;

    gw_group_socket_path(address.sun_path, group, worker.slot, worker.incarnation);
    conn = open_conn(group, &address, timeout_ms);
    if (conn) {
        conn->worker = worker;
        conn->pid = (int)load((const uint32_t *)&group->workers[worker.slot].pid);
    }
    return conn;
}

gw_conn *gw_pool_queue(gw_group *group, long timeout_ms)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    gw_conn *conn;

    gw_group_queue_path(address.sun_path, group);
    conn = open_conn(group, &address, timeout_ms);
    if (conn)
        conn->queued = 1;
    return conn;
}

void gw_pool_close(gw_conn *conn)
{
    if (conn->passed >= 0)
        close(conn->passed);
    close(conn->fd);
    free(conn->body);
    free(conn->buffer);
    free(conn);
}
