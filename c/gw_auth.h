/* This file declares what httpd's access control asks of scripts: WSGIAccessScript as a hook; WSGIAuthUserScript and
 * WSGIAuthGroupScript as providers, for mod_auth_basic, mod_auth_digest, Require and whoever else looks providers up. */
#ifndef GW_AUTH_H
#define GW_AUTH_H

#include "httpd.h"

/* The check_access hook: allow_access() of the WSGIAccessScript. */
int gw_auth_check_access(request_rec *r);

/* Registers the provider "wsgi" for authentication and "wsgi-group" for authorisation. */
void gw_auth_register_providers(apr_pool_t *p);

/* The optional_fn_retrieve hook: finds mod_authn_socache, if it is loaded. */
void gw_auth_find_cache(void);

#endif
