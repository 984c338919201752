/* This file is access control by scripts. Whatever goes wrong, the answer is no: a question that got no proper answer ends the
 * request with an error, never with a decision that another provider or a negation could turn into access. */
#include "gw_auth.h"

#include "ap_expr.h"
#include "ap_provider.h"
#include "apr_general.h"
#include "apr_lib.h"
#include "apr_md5.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_request.h"
#include "mod_auth.h"

#include "gowsgi_packed.h"
#include "gw_hook.h"
#include "gw_log.h"

#define PROVIDER "wsgi"
#define GROUP_PROVIDER "wsgi-group"

static const char answered_500[] = "the request is answered with 500";

/* ---- Access by host ---- */

int gw_auth_check_access(request_rec *r)
{
    const char *host;
    gw_hook hook;
    int status;

    if (!gw_dir_ptr(r, GW_ACCESS_SCRIPT))
        return DECLINED;
    status = gw_hook_open(&hook, r, GW_ACCESS_SCRIPT, "access is denied", 0);
    if (status != OK)
        return status;
    host = ap_get_useragent_host(r, REMOTE_HOST, NULL);
    switch (gw_hook_ask(&hook, "allow_access", GOWSGI_HOOK_NONE | GOWSGI_HOOK_BOOL, host ? host : r->useragent_ip, NULL)) {
    case GOWSGI_ANSWER_TRUE:
        return OK;
    case GOWSGI_ANSWER_NONE:
        return DECLINED;
    case GOWSGI_ANSWER_FALSE:
        ap_log_rerror(GW_MARK, APLOG_INFO, 0, r, "access to %s is denied by %s", r->uri, hook.call.script.data);
        return HTTP_FORBIDDEN;
    default:
        return HTTP_FORBIDDEN;
    }
}

/* ---- Users ---- */

/* Of mod_authn_socache; NULL when it is not loaded. Written once after each reading of the configuration. */
static APR_OPTIONAL_FN_TYPE(ap_authn_cache_store) *cache_store;

void gw_auth_find_cache(void)
{
    cache_store = APR_RETRIEVE_OPTIONAL_FN(ap_authn_cache_store);
}

/* The cache compares later passwords with a hash of this one. It is made whenever the module is loaded, for nobody tells whether the
 * cache is in use here; so it is a cheap one, and one that takes in passwords of any length. */
static void cache_password(request_rec *r, const char *user, const char *password)
{
    static const char alphabet[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    unsigned char random[8];
    char salt[sizeof random + 1], hash[120];

    if (!cache_store || apr_generate_random_bytes(random, sizeof random) != APR_SUCCESS)
        return;
    for (size_t i = 0; i < sizeof random; i++)
        salt[i] = alphabet[random[i] & 63];
    salt[sizeof random] = '\0';
    if (apr_md5_encode(password, salt, hash, sizeof hash) == APR_SUCCESS)
        cache_store(r, PROVIDER, user, NULL, hash);
}

static gowsgi_answer ask_user(gw_hook *hook, request_rec *r, const char *function, unsigned flags, const char *user,
                              const char *secret)
{
    if (!gw_dir_ptr(r, GW_AUTH_USER_SCRIPT)) {
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI1209: the authentication provider " PROVIDER " is to check user '%s', but there "
                      "is no WSGIAuthUserScript for %s; %s. Set it for that place", user, r->uri, answered_500);
        return GOWSGI_ANSWER_FAILED;
    }
    if (gw_hook_open(hook, r, GW_AUTH_USER_SCRIPT, answered_500, 0) != OK)
        return GOWSGI_ANSWER_FAILED;
    return gw_hook_ask(hook, function, flags | GOWSGI_HOOK_NONE, user, secret);
}

/* A name that the script returns takes the place of the one that the client gave. It is not cached: the cache would forget it. */
static authn_status check_password(request_rec *r, const char *user, const char *password)
{
    gw_hook hook;

    switch (ask_user(&hook, r, "check_password", GOWSGI_HOOK_BOOL | GOWSGI_HOOK_STR, user, password)) {
    case GOWSGI_ANSWER_TRUE:
        cache_password(r, user, password);
        return AUTH_GRANTED;
    case GOWSGI_ANSWER_TEXT:
        r->user = (char *)hook.call.answer.data;
        return AUTH_GRANTED;
    case GOWSGI_ANSWER_FALSE:
        return AUTH_DENIED;
    case GOWSGI_ANSWER_NONE:
        return AUTH_USER_NOT_FOUND;
    default:
        return AUTH_GENERAL_ERROR;
    }
}

/* The hash as mod_auth_digest takes it, in lower case; NULL when it is none. */
static char *digest_hash(apr_pool_t *p, gowsgi_span text)
{
    char *hash = apr_pstrmemdup(p, text.data, text.len);

    if (text.len != 2 * APR_MD5_DIGESTSIZE)
        return NULL;
    for (char *at = hash; *at; at++) {
        if (!apr_isxdigit(*at))
            return NULL;
        *at = (char)apr_tolower(*at);
    }
    return hash;
}

static authn_status get_realm_hash(request_rec *r, const char *user, const char *realm, char **out)
{
    gw_hook hook;

    switch (ask_user(&hook, r, "get_realm_hash", GOWSGI_HOOK_STR | GOWSGI_HOOK_BYTES, user, realm)) {
    case GOWSGI_ANSWER_TEXT:
        *out = digest_hash(r->pool, hook.call.answer);
        if (!*out) {
            ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI1210: WSGIAuthUserScript '%s': get_realm_hash() returned a text of %"
                          APR_SIZE_T_FMT " characters for user '%s', where 32 hexadecimal digits are expected, the MD5 hash of "
                          "user:realm:password; %s", hook.call.script.data, hook.call.answer.len, user, answered_500);
            return AUTH_GENERAL_ERROR;
        }
        if (cache_store)
            cache_store(r, PROVIDER, user, realm, *out);
        return AUTH_USER_FOUND;
    case GOWSGI_ANSWER_NONE:
        return AUTH_USER_NOT_FOUND;
    default:
        return AUTH_GENERAL_ERROR;
    }
}

/* ---- Groups ---- */

/* What a script said of a user, so that several Require lines ask it once. Kept in the request's pool. */
typedef struct known_groups {
    const gw_hook_script *script;
    const char *user;
    gowsgi_span list;            /* packed */
} known_groups;

#define GROUPS_KEY "gowsgi-groups"

static int groups_of_user(request_rec *r, gowsgi_span *list)
{
    const gw_hook_script *script = gw_dir_ptr(r, GW_AUTH_GROUP_SCRIPT);
    known_groups *known = NULL;
    void *kept = NULL;
    gw_hook hook;

    if (!script) {
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI1211: Require " GROUP_PROVIDER " is to check user '%s', but there is no "
                      "WSGIAuthGroupScript for %s; %s. Set it for that place", r->user, r->uri, answered_500);
        return -1;
    }
    apr_pool_userdata_get(&kept, GROUPS_KEY, r->pool);
    known = kept;
    if (!known || known->script != script || strcmp(known->user, r->user) != 0) {
        if (gw_hook_open(&hook, r, GW_AUTH_GROUP_SCRIPT, answered_500, GW_SHOW_USER) != OK
            || gw_hook_ask(&hook, "groups_for_user", GOWSGI_HOOK_LIST, r->user, NULL) != GOWSGI_ANSWER_LIST)
            return -1;
        known = apr_palloc(r->pool, sizeof *known);
        *known = (known_groups){ script, apr_pstrdup(r->pool, r->user), hook.call.answer };
        apr_pool_userdata_setn(known, GROUPS_KEY, NULL, r->pool);
    }
    *list = known->list;
    return 0;
}

static int is_among(gowsgi_span list, const char *group)
{
    const size_t len = strlen(group);
    gowsgi_span name, value;

    while (gowsgi_packed_next(&list, &name, &value) > 0)
        if (name.len == len && memcmp(name.data, group, len) == 0)
            return 1;
    return 0;
}

/* Without an answer the status is an error, not a denial: Require not and RequireNone make access of a denial. */
static authz_status check_group(request_rec *r, const char *require_args, const void *parsed)
{
    const char *error = NULL, *words, *group;
    gowsgi_span list;

    (void)require_args;
    if (!r->user)
        return AUTHZ_DENIED_NO_USER;
    words = ap_expr_str_exec(r, parsed, &error);
    if (error) {
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI1213: Require " GROUP_PROVIDER " %s cannot be evaluated: %s; %s. Correct the "
                      "expression", require_args, error, answered_500);
        return AUTHZ_GENERAL_ERROR;
    }
    if (groups_of_user(r, &list) != 0)
        return AUTHZ_GENERAL_ERROR;
    while (*words && *(group = ap_getword_conf(r->pool, &words)))
        if (is_among(list, group))
            return AUTHZ_GRANTED;
    ap_log_rerror(GW_MARK, APLOG_INFO, 0, r, "user '%s' is in none of the groups that Require " GROUP_PROVIDER " %s names", r->user,
                  require_args);
    return AUTHZ_DENIED;
}

static const char *read_groups(cmd_parms *cmd, const char *line, const void **parsed)
{
    const char *fault = NULL;

    if (!line || line[strspn(line, " \t")] == '\0')
        return "Require " GROUP_PROVIDER ": the names of groups are missing";
    *parsed = ap_expr_parse_cmd(cmd, line, AP_EXPR_FLAG_STRING_RESULT, &fault, NULL);
    return fault ? apr_pstrcat(cmd->pool, "Require " GROUP_PROVIDER " ", line, ": ", fault, NULL) : NULL;
}

/* ---- Registration ---- */

void gw_auth_register_providers(apr_pool_t *p)
{
    static const authn_provider users = { check_password, get_realm_hash };
    static const authz_provider groups = { check_group, read_groups };

    ap_register_auth_provider(p, AUTHN_PROVIDER_GROUP, PROVIDER, AUTHN_PROVIDER_VERSION, &users, AP_AUTH_INTERNAL_PER_CONF);
    ap_register_auth_provider(p, AUTHZ_PROVIDER_GROUP, GROUP_PROVIDER, AUTHZ_PROVIDER_VERSION, &groups, AP_AUTH_INTERNAL_PER_CONF);
}
