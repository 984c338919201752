/* This file is how the Apache side logs: through the module record in use, so that `LogLevel gowsgi:debug` works, and
 * `LogLevel wsgi:debug` where the module was loaded under that name. Do not use APLOG_MARK and APLOG_USE_MODULE: they are bound to
 * one record when a file is compiled.
 *
 * Every line of level warn and above begins with a code, "GWSGInnnn: ", that is never given to another message. README.md lists
 * the codes. */
#ifndef GW_LOG_H
#define GW_LOG_H

#include "httpd.h"
#include "http_core.h"
#include "http_log.h"

#include "gw_config.h"

static inline int gw_log_index(void)
{
    return gw_module ? gw_module->module_index : APLOG_NO_MODULE;
}

/* The first three arguments of ap_log_error(), ap_log_rerror() and their kin. */
#define GW_MARK __FILE__, __LINE__, gw_log_index()

/* httpd reads its configuration twice when it starts. True in the first of the two, when what is said would be said again. */
static inline int gw_log_rehearsal(void)
{
    return ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG
           && ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_NORMAL;
}

#endif
