/* This file declares the setters of the directives that have more than one word. Each gets what follows the directive's
 * name, and returns NULL or a message that names directive and word. */
#ifndef GW_DECLARE_H
#define GW_DECLARE_H

#include "gw_config.h"

/* WSGIScriptAlias and, with is_regex, WSGIScriptAliasMatch. */
const char *gw_declare_alias(cmd_parms *cmd, int is_regex, const char *args);

/* WSGIDaemonProcess. */
const char *gw_declare_daemon(cmd_parms *cmd, const char *args);

/* WSGIImportScript. */
const char *gw_declare_import(cmd_parms *cmd, const char *args);

/* WSGIAuthUserScript, WSGIAuthGroupScript, WSGIAccessScript, WSGIDispatchScript. */
const char *gw_declare_script(cmd_parms *cmd, gw_value *out, const char *args);

/* WSGIRestrictProcess. */
const char *gw_declare_names(cmd_parms *cmd, gw_value *out, const char *args);

#endif
