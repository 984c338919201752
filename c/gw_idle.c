/* This file says which parts of a configuration have no effect here, and why. */
#include "gw_idle.h"

#include "gw_log.h"
#include "gw_value.h"

void gw_idle_note(const cmd_parms *cmd, const gw_row *row)
{
    gw_server_config *conf = gw_config_main(cmd);

    if (!row->idle || !conf) /* nothing is said of a .htaccess, which is read again and again */
        return;
    for (int i = 0; i < conf->idle->nelts; i++)
        if (APR_ARRAY_IDX(conf->idle, i, const gw_row *) == row)
            return;
    APR_ARRAY_PUSH(conf->idle, const gw_row *) = row;
}

/* The reason is the row's help, which begins with "Has no effect". */
void gw_idle_tell(server_rec *main_server)
{
    const apr_array_header_t *rows = gw_server_config_of(main_server)->idle;

    for (int i = 0; i < rows->nelts; i++) {
        const gw_row *row = APR_ARRAY_IDX(rows, i, const gw_row *);
        int is_option = row >= gw_options && row < gw_options + GW_OPTION_COUNT;
        ap_log_error(GW_MARK, APLOG_INFO, 0, main_server, "%s%s%s h%s", is_option ? "WSGIDaemonProcess: " : "", row->name,
                     is_option ? "=" : "", row->help + 1);
    }
}
