/* This file keeps the daemon process groups that the configuration declares, and checks where it names them. */
#include "gw_group.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ap_mpm.h"
#include "apr_hash.h"
#include "apr_strings.h"
#include "http_config.h"

#include "gw_home.h"
#include "gw_log.h"
#include "gw_pool.h"
#include "gw_python.h"

/* In a socket's name after the prefix, when it is checked before they are known. */
#define LIKELY_PID 4194304
#define LIKELY_GENERATION 9999
#define LIKELY_INCARNATION 999999

/* Worker slots of a group. Replacements start before the old processes stop, and those may finish requests still when the next
 * change comes. */
#define SLOTS_FOR(processes) (2 * (processes) + 2)

static gw_generation generation;
static apr_hash_t *by_name;

static apr_status_t forget(void *unused)
{
    (void)unused;
    memset(&generation, 0, sizeof generation);
    by_name = NULL;
    return APR_SUCCESS;
}

static const char *socket_prefix(apr_pool_t *p, server_rec *s)
{
    const char *prefix = gw_global_str(s, GW_SOCKET_PREFIX);

    return prefix ? prefix : ap_runtime_dir_relative(p, "wsgi");
}

static const apr_array_header_t *declared(server_rec *main_server)
{
    return gw_server_config_of(main_server)->daemons;
}

/* ---- The groups of this generation ---- */

/* Whether processes of the group could start Python; else *problem, NULL when WSGIPythonHome has it and that was said. What the group's user
 * may be allowed to see and this process is not (a network file system that trusts no root) is for the processes to find out. */
static int has_python(apr_pool_t *p, const gw_daemon *daemon, const char **problem)
{
    const char *home = gw_daemon_str(daemon, GW_OPT_PYTHON_HOME);

    *problem = NULL;
    if (!home)
        return !gw_python_is_inherited(daemon) || gw_home_verdict() != GW_HOME_BAD;
    return gw_home_check(p, home, gw_python_of(daemon)->version, problem) != GW_HOME_BAD || gw_home_is_closed(p, home);
}

static void fill_group(apr_pool_t *p, server_rec *s, gw_group *group, const gw_daemon *daemon)
{
    long timeout = gw_daemon_num(daemon, GW_OPT_SOCKET_TIMEOUT);

    group->daemon = daemon;
    group->name = daemon->name;
    group->processes = (uint32_t)gw_daemon_num(daemon, GW_OPT_PROCESSES);
    group->threads = (uint32_t)gw_daemon_num(daemon, GW_OPT_THREADS);
    group->slot_count = SLOTS_FOR(group->processes);
    group->connect_timeout_ms = gw_daemon_num(daemon, GW_OPT_CONNECT_TIMEOUT) * 1000;
    group->queue_timeout_ms = gw_daemon_num(daemon, GW_OPT_QUEUE_TIMEOUT) * 1000;
    group->socket_timeout_ms = timeout ? timeout * 1000 : (long)apr_time_as_msec(s->timeout);
    group->pool = gw_pool_create(p, group->slot_count);
}

/* A group that can have no processes is known by its name, for those who ask for it, and not counted. */
static void add_group(apr_pool_t *p, server_rec *s, const gw_daemon *daemon)
{
    const char *problem;
    int counts = has_python(p, daemon, &problem);
    gw_group *group = counts ? &generation.groups[generation.group_count] : apr_pcalloc(p, sizeof *group);

    fill_group(p, s, group, daemon);
    if (counts) {
        group->index = generation.group_count++;
        group->first_slot = generation.slot_count;
        generation.slot_count += group->slot_count;
    }
    apr_hash_set(by_name, group->name, APR_HASH_KEY_STRING, group);
}

void gw_group_setup(apr_pool_t *pconf, server_rec *main_server)
{
    const apr_array_header_t *daemons = declared(main_server);

    forget(NULL);
    apr_pool_cleanup_register(pconf, NULL, forget, apr_pool_cleanup_null);
    by_name = apr_hash_make(pconf);
    generation.parent = (int)getpid();
    ap_mpm_query(AP_MPMQ_GENERATION, &generation.number);
    generation.socket_prefix = socket_prefix(pconf, main_server);
    generation.groups = apr_pcalloc(pconf, (apr_size_t)daemons->nelts * sizeof *generation.groups);
    for (int i = 0; i < daemons->nelts; i++)
        add_group(pconf, main_server, &APR_ARRAY_IDX(daemons, i, const gw_daemon));
}

const gw_generation *gw_group_generation(void)
{
    return &generation;
}

void gw_group_attach(void *board)
{
    for (uint32_t i = 0; i < generation.group_count; i++) {
        gw_group *group = &generation.groups[i];
        group->shared = board ? gowsgi_scoreboard_group(board, i) : NULL;
        group->workers = board ? gowsgi_scoreboard_worker(board, generation.group_count, group->first_slot) : NULL;
    }
}

void gw_group_vacate(void)
{
    for (uint32_t i = 0; i < generation.group_count; i++) {
        const gw_group *group = &generation.groups[i];

        for (uint32_t at = 0; at < group->slot_count; at++)
            __atomic_store_n(&group->workers[at].state, GOWSGI_WORKER_EMPTY, __ATOMIC_RELEASE);
        __atomic_fetch_add(&group->shared->changes, 1, __ATOMIC_RELEASE);
        syscall(SYS_futex, &group->shared->changes, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    }
}

void gw_group_await(const gw_group *group, uint32_t seen, long ms)
{
    struct timespec limit = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    syscall(SYS_futex, &group->shared->changes, FUTEX_WAIT, seen, &limit, NULL, 0);
}

int gw_group_is_orphaned(void)
{
    return kill(generation.parent, 0) != 0 && errno == ESRCH;
}

/* The supervisor says so, too, when somebody else ends it; another one takes over then. */
int gw_group_is_stopping(const gw_group *group)
{
    int state = 0;

    return __atomic_load_n(&group->shared->stopping, __ATOMIC_ACQUIRE) && ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS
           && state == AP_MPMQ_STOPPING;
}

int64_t gw_group_clock_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

long gw_group_clock(void)
{
    return (long)(gw_group_clock_us() / 1000);
}

gw_group *gw_group_find(const char *name)
{
    return by_name ? apr_hash_get(by_name, name, APR_HASH_KEY_STRING) : NULL;
}

int gw_group_serves(const gw_daemon *daemon, const server_rec *server)
{
    return !daemon->in_vhost || daemon->server == server
           || (daemon->server->server_hostname && server->server_hostname
               && ap_cstr_casecmp(daemon->server->server_hostname, server->server_hostname) == 0);
}

void gw_group_socket_path(char path[GOWSGI_SOCKET_PATH_MAX], const gw_group *group, uint32_t worker, uint32_t incarnation)
{
    gowsgi_socket_path(path, generation.socket_prefix, generation.parent, generation.number, group->index,
                       group->first_slot + worker, incarnation);
}

void gw_group_queue_path(char path[GOWSGI_SOCKET_PATH_MAX], const gw_group *group)
{
    gowsgi_queue_path(path, generation.socket_prefix, generation.parent, generation.number, group->index);
}

/* ---- Checks ---- */

void gw_group_mention(const cmd_parms *cmd, const char *option, const char *word)
{
    if (strncmp(word, "%{", 2) == 0 || !*word)
        return;
    APR_ARRAY_PUSH(gw_config_main(cmd)->mentions, gw_mention) = (gw_mention){
        .directive = cmd->cmd->name,
        .option = option,
        .word = word,
        .server = cmd->server,
        .file = cmd->directive->filename,
        .line = cmd->directive->line_num,
    };
}

static void check_mention(server_rec *s, const gw_mention *m)
{
    const apr_array_header_t *daemons = declared(s);
    const char *option = m->option ? m->option : "";

    for (int i = 0; i < daemons->nelts; i++) {
        const gw_daemon *daemon = &APR_ARRAY_IDX(daemons, i, const gw_daemon);
        if (strcmp(daemon->name, m->word) != 0)
            continue;
        if (m->server->is_virtual && !gw_group_serves(daemon, m->server))
            ap_log_error(GW_MARK, APLOG_WARNING, 0, s, "GWSGI0811: %s %s%s (%s:%d): the process group was declared in the virtual "
                         "host %s (%s:%d), and serves virtual hosts of that name only; requests for it are answered with "
                         "500 here. Declare it outside of virtual hosts to share it", m->directive, option, m->word, m->file,
                         m->line, daemon->server->server_hostname, daemon->file, daemon->line);
        return;
    }
    ap_log_error(GW_MARK, APLOG_WARNING, 0, s, "GWSGI0810: %s %s%s (%s:%d): no WSGIDaemonProcess declares a process group of this "
                 "name. Requests for it are answered with 500, scripts to import into it are not loaded. Declare the group, or "
                 "correct the name", m->directive, option, m->word, m->file, m->line);
}

static void check_python(apr_pool_t *ptemp, server_rec *s, const gw_daemon *daemon)
{
    const char *problem;

    if (has_python(ptemp, daemon, &problem) || !problem)
        return;
    ap_log_error(GW_MARK, APLOG_ERR, 0, s, "GWSGI0803: python-home=%s of the daemon process group %s (%s:%d) cannot be used: %s, and the "
                 "group runs Python %s. The group gets no processes, requests for it are answered with 500. Set "
                 "python-home= to a Python %s, or give the group another Python with python=", gw_daemon_str(daemon, GW_OPT_PYTHON_HOME),
                 daemon->name, daemon->file, daemon->line, problem, gw_python_of(daemon)->version, gw_python_of(daemon)->version);
}

static void check_prefix(apr_pool_t *ptemp, server_rec *s)
{
    char path[GOWSGI_SOCKET_PATH_MAX];
    const char *prefix = socket_prefix(ptemp, s);
    const apr_array_header_t *daemons = declared(s);
    int length, slots = 0;

    for (int i = 0; i < daemons->nelts; i++)
        slots += SLOTS_FOR((int)gw_daemon_num(&APR_ARRAY_IDX(daemons, i, const gw_daemon), GW_OPT_PROCESSES));
    length = gowsgi_socket_path(path, prefix, LIKELY_PID, LIKELY_GENERATION, (uint32_t)daemons->nelts, (uint32_t)slots,
                                LIKELY_INCARNATION);
    if (length >= GOWSGI_SOCKET_PATH_MAX)
        ap_log_error(GW_MARK, APLOG_ERR, 0, s, "GWSGI0812: WSGISocketPrefix %s is too long: the names of UNIX sockets have "
                     "less than %d bytes, and up to %d are needed for the rest of the name. Daemon processes may be "
                     "out of reach, requests for them are answered with 503. Set WSGISocketPrefix to a shorter path", prefix,
                     GOWSGI_SOCKET_PATH_MAX, length - (int)strlen(prefix));
}

void gw_group_check(apr_pool_t *ptemp, server_rec *main_server)
{
    const apr_array_header_t *mentions = gw_server_config_of(main_server)->mentions, *daemons = declared(main_server);

    for (int i = 0; i < mentions->nelts; i++)
        check_mention(main_server, &APR_ARRAY_IDX(mentions, i, const gw_mention));
    for (int i = 0; i < daemons->nelts; i++)
        check_python(ptemp, main_server, &APR_ARRAY_IDX(daemons, i, const gw_daemon));
    if (daemons->nelts)
        check_prefix(ptemp, main_server);
}
