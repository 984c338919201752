/* This file declares WSGIErrorOverride: httpd's own error response in place of the application's. */
#ifndef GW_OVERRIDE_H
#define GW_OVERRIDE_H

#include "gw_host.h"

/* Whether httpd is to answer in place of an application that states this status. */
int gw_override_applies(const request_rec *r, int status);

/* Takes note of such a status, and of those of the packed headers that belong to its meaning. Nothing of the application's
 * response is to be sent from here on. */
void gw_override_take(gw_host *host, int status, gowsgi_span headers);

/* Hands over to httpd. Returns the status that the handler is to return. */
int gw_override_conclude(gw_host *host);

#endif
