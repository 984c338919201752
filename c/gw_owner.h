/* This file declares the options script-user= and script-group= of WSGIDaemonProcess: whose scripts a group runs. */
#ifndef GW_OWNER_H
#define GW_OWNER_H

#include "gw_config.h"

/* Whether the daemon process group may run r->filename. Returns OK, or the status to answer, having logged why. */
int gw_owner_check(request_rec *r, const gw_daemon *daemon);

#endif
