/* This file declares how httpd's parent starts gowsgid, the supervisor of the daemon process groups, and keeps it alive. */
#ifndef GW_SPAWN_H
#define GW_SPAWN_H

#include "httpd.h"

/* Starts the supervisor of this generation, when process groups are declared. Runs in post_config, after gw_group_setup(), and after
 * what other modules fork there. When pconf is cleared the supervisor is told to stop, or, at a graceful restart, left to itself
 * until the last child of its generation is gone. */
void gw_spawn_start(apr_pool_t *pconf, server_rec *main_server);

/* The child_init hook: a child keeps the lease, and nothing else of what was made for the supervisor. */
void gw_spawn_child(apr_pool_t *pchild, server_rec *main_server);

/* The monitor hook: httpd calls it every few seconds. Starts the supervisor when that could not be done before. */
int gw_spawn_monitor(apr_pool_t *p, server_rec *main_server);

#endif
