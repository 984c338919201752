/* This file declares how a child of httpd has a request served by a daemon process group, over the protocol of package wire. Neither
 * Go nor Python takes part in it on this side. */
#ifndef GW_DAEMON_H
#define GW_DAEMON_H

#include "httpd.h"

#include "gowsgi_abi.h"
#include "gw_group.h"
#include "gw_host.h"

/* Has the request served by a worker of the group, and hands its response to the host functions. A worker that did not run the
 * application is replaced by another one, without a trace. Returns as gowsgi_request_serve() does, but never GOWSGI_RETRY; the reason
 * of a failure is logged, and request->status is what to answer. host is request->host_ctx. */
gowsgi_outcome gw_daemon_serve(gw_group *group, gowsgi_request *request, gw_host *host);

#endif
