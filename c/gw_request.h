/* This file declares the handler for WSGI scripts. */
#ifndef GW_REQUEST_H
#define GW_REQUEST_H

#include "httpd.h"

/* The name that SetHandler and AddHandler use, and that an alias sets. */
#define GW_REQUEST_HANDLER "wsgi-script"

/* The handler hook: decides whether and where the script runs, runs it, and turns its outcome into httpd's. */
int gw_request_handler(request_rec *r);

#endif
