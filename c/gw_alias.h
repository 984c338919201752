/* This file declares how WSGIScriptAlias and WSGIScriptAliasMatch lead a URL to a script. */
#ifndef GW_ALIAS_H
#define GW_ALIAS_H

#include "gw_config.h"

/* The translate_name hook. Runs after mod_alias, so that an Alias inside a mount point (/static) is used first, and
 * before the modules that map whatever is left. Sets r->filename and r->handler for the server's first alias that matches;
 * an own alias of a virtual host comes before those that it inherits. */
int gw_alias_translate(request_rec *r);

/* The alias that led this request to its script; NULL when there was none (SetHandler, AddHandler). It lives as long as the
 * configuration. */
const gw_alias *gw_alias_of(const request_rec *r);

#endif
