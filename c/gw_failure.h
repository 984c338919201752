/* This file declares what is said, and what is answered, when a daemon process does not serve a request. All return the
 * gowsgi_outcome that the errand has come to. */
#ifndef GW_FAILURE_H
#define GW_FAILURE_H

#include "gw_errand.h"

/* The request failed, for a reason that was logged: answer the status, or cut off a response that has begun. */
gowsgi_outcome gw_failure_status(gw_errand *e, int status);

/* No worker took the request in time. */
gowsgi_outcome gw_failure_no_worker(gw_errand *e);

/* There is none, and will be none: httpd's parent is gone. */
gowsgi_outcome gw_failure_orphaned(gw_errand *e);

/* httpd stops or restarts. */
gowsgi_outcome gw_failure_stopping(gw_errand *e);

/* connect() failed with error, which is not one that an ending or a busy worker causes. */
gowsgi_outcome gw_failure_unreachable(gw_errand *e, int error);

/* The worker ended, or closed the connection, after it had read the request. */
gowsgi_outcome gw_failure_lost(gw_errand *e);

/* A system call on the socket failed with error. idle: what the worker did when that is a time-out, "sent nothing". When the
 * application cannot have run this is GOWSGI_RETRY. */
gowsgi_outcome gw_failure_socket(gw_errand *e, int error, const char *idle);

/* No thread of the group has received the request within limit_ms, which is queue-timeout= or, without one, socket-timeout=. */
gowsgi_outcome gw_failure_queued(gw_errand *e, long limit_ms);

/* The worker sent what it may not send. */
gowsgi_outcome gw_failure_malformed(gw_errand *e, const char *what);

#endif
