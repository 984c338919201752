/* This file declares what is said of directives and options that are accepted and have no effect, so that a configuration may have
 * them which was written for mod_wsgi. */
#ifndef GW_IDLE_H
#define GW_IDLE_H

#include "gw_config.h"

/* Remembers that the configuration has the row, if that is one of them. */
void gw_idle_note(const cmd_parms *cmd, const gw_row *row);

/* Logs a line for each, once. */
void gw_idle_tell(server_rec *main_server);

#endif
