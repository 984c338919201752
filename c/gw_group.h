/* This file declares the daemon process groups of one generation, which begins with each start and each restart of httpd:
 * as the configuration declares them, and as httpd's children reach them. Written in post_config, read-only afterwards. */
#ifndef GW_GROUP_H
#define GW_GROUP_H

#include "httpd.h"

#include "gowsgi_scoreboard.h"
#include "gw_config.h"

struct gw_pool;

/* One group. */
typedef struct gw_group {
    const gw_daemon *daemon;     /* how it was declared */
    const char *name;
    uint32_t index;              /* among the groups */
    uint32_t processes, threads;
    uint32_t first_slot, slot_count; /* its worker slots among those of all groups: more than two for each process, so that a
                                    replacement can start before the old one stops */
    long connect_timeout_ms, socket_timeout_ms;
    long queue_timeout_ms;       /* 0: none */
    gowsgi_group_slot *shared;   /* in the scoreboard; NULL when the group can have no processes */
    gowsgi_worker_slot *workers; /* its slots there */
    struct gw_pool *pool;        /* this child's connections to them; gw_pool.h */
} gw_group;

/* All of them, and what they have in common. */
typedef struct gw_generation {
    int number;                  /* the MPM's */
    int parent;                  /* pid of httpd's parent */
    const char *socket_prefix;   /* absolute */
    gw_group *groups;
    uint32_t group_count, slot_count;
} gw_generation;

/* Sets up the groups that were declared. Runs in post_config, after gw_home_verify(). */
void gw_group_setup(apr_pool_t *pconf, server_rec *main_server);

/* What gw_group_setup() made; never NULL. */
const gw_generation *gw_group_generation(void);

/* Points the groups to their places in the scoreboard; NULL: there is none. */
void gw_group_attach(void *board);

/* Empties all worker slots, for a supervisor that takes over from one which died, and wakes who waits for a worker. */
void gw_group_vacate(void);

/* Waits until a worker of the group has become READY, or ended, since its shared->changes was seen; up to so many milliseconds. */
void gw_group_await(const gw_group *group, uint32_t seen, long ms);

/* Whether httpd's parent is gone: then no worker will ever come again. In any of its children. */
int gw_group_is_orphaned(void);

/* Whether httpd stops or restarts, not gracefully: then no worker will ever come again either. */
int gw_group_is_stopping(const gw_group *group);

/* Milliseconds on a clock that is never set. */
long gw_group_clock(void);

/* The group of that name, or NULL. */
gw_group *gw_group_find(const char *name);

/* Whether requests for server may go to the group: one that was declared in a virtual host serves those of the same ServerName. */
int gw_group_serves(const gw_daemon *daemon, const server_rec *server);

/* Microseconds on the same clock. */
int64_t gw_group_clock_us(void);

/* Writes the path of the socket of the group's queue into path. */
void gw_group_queue_path(char path[GOWSGI_SOCKET_PATH_MAX], const gw_group *group);

/* Writes the path of a worker's socket into path. */
void gw_group_socket_path(char path[GOWSGI_SOCKET_PATH_MAX], const gw_group *group, uint32_t worker, uint32_t incarnation);

/* Remembers that a directive, or its option (NULL: none), names a process group, for gw_group_check(). A template is not one. */
void gw_group_mention(const cmd_parms *cmd, const char *option, const char *word);

/* Checks what only the whole configuration tells: that the groups which are named exist and may be used there, that each has its
 * Python, and that sockets can have the names they would get. Logs a line for each finding. */
void gw_group_check(apr_pool_t *ptemp, server_rec *main_server);

#endif
