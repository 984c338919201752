/* This file answers what the library was built as. It is C, so that the host can ask before Go runs. */
#include "gowsgi_abi.h"
#include "table_hash.h"

/* "3.11", from pyembed, which alone knows Python's headers. */
const char *gwp_python_version(void);

const gowsgi_abi_info *gowsgi_abi_describe(void)
{
    static gowsgi_abi_info info;

    info.abi_version = GOWSGI_ABI_VERSION;
    info.host_size = sizeof(gowsgi_host);
    info.request_size = sizeof(gowsgi_request);
    info.hook_size = sizeof(gowsgi_hook);
    info.config_size = sizeof(gowsgi_process_config);
    info.table_hash = gowsgi_table_hash();
    info.version = GOWSGI_VERSION;
    info.python = gwp_python_version();
    return &info;
}
