/* This file declares the exchange of frames with the one worker that has a request. Package wire is its specification. */
#ifndef GW_EXCHANGE_H
#define GW_EXCHANGE_H

#include "gw_errand.h"

/* Sends the request over e->conn and passes on what comes back. A connection whose exchange is complete goes back to the pool, and
 * e->conn becomes NULL. Returns a gowsgi_outcome. */
int gw_exchange_run(gw_errand *e);

/* The worker has nothing to do with the request any more: the pool does not count it. */
void gw_exchange_leave(gw_errand *e);

#endif
