/* This file is the floor of the benchmark: an httpd module whose handler writes the bytes of apps/hello.wsgi and sends
 * them to the client at once. Nothing that serves a request through httpd can cost less than this. */
#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"

static const char body[] = "Hello, World!";

static int floor_handler(request_rec *r)
{
    if (!r->handler || strcmp(r->handler, "bench-floor") != 0)
        return DECLINED;
    ap_set_content_type(r, "text/plain");
    ap_set_content_length(r, sizeof(body) - 1);
    ap_rwrite(body, sizeof(body) - 1, r);
    ap_rflush(r);
    return OK;
}

static void floor_register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_handler(floor_handler, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA bench_floor_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, floor_register_hooks,
#if defined(AP_MODULE_FLAG_NONE)
    AP_MODULE_FLAG_NONE
#endif
};
