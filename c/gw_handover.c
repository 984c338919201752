/* This file makes what the supervisor of the daemon process groups is given. The configuration is written in the form of
 * gowsgi_packed.h; package daemon reads it. */
#include "gw_handover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "apr_portable.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "http_main.h"
#include "unixd.h"

#include "gowsgi_packed.h"
#include "gw_group.h"
#include "gw_log.h"
#include "gw_python.h"
#include "gw_value.h"

/* Where the descriptors' numbers are in gw_handover.descriptors, and in the supervisor. */
enum { AT_NULL = 0, AT_OUT = 1, AT_ERR = 2, AT_CONFIG = 3, AT_BOARD = 4, AT_LEASE = 5, AT_LOGS = 6 };

/* ---- Writing pairs ---- */

static void put(FILE *to, const char *name, const char *value)
{
    char lengths[GOWSGI_PACKED_PAIR_OVERHEAD];

    gowsgi_put_u32(lengths, (uint32_t)strlen(name));
    gowsgi_put_u32(lengths + 4, (uint32_t)strlen(value));
    fwrite(lengths, sizeof lengths, 1, to);
    fputs(name, to);
    fputs(value, to);
}

static void put_if(FILE *to, const char *name, const char *value)
{
    if (value)
        put(to, name, value);
}

static void put_number(FILE *to, const char *name, long number)
{
    char text[sizeof number * 3 + 1];

    snprintf(text, sizeof text, "%ld", number);
    put(to, name, text);
}

static void put_server(FILE *to, server_rec *s)
{
    const gw_generation *g = gw_group_generation();
    int is_root = geteuid() == 0;
    ap_version_t version;
    char text[64];

    put_number(to, "abi", GOWSGI_ABI_VERSION);
    put(to, "version", GOWSGI_VERSION);
    put_number(to, "generation", g->number);
    put_number(to, "parent_pid", g->parent);
    put_number(to, "scoreboard_groups", g->group_count);
    put_number(to, "scoreboard_workers", g->slot_count);
    put(to, "socket_prefix", g->socket_prefix);
    put_number(to, "apache_uid", is_root ? (long)ap_unixd_config.user_id : (long)geteuid());
    put_number(to, "apache_gid", is_root ? (long)ap_unixd_config.group_id : (long)getegid());
    put_number(to, "is_root", is_root);
    put_number(to, "log_level", ap_get_server_module_loglevel(s, gw_log_index()));
    put_if(to, "python_home", gw_global_str(s, GW_PYTHON_HOME));
    put_if(to, "python_executable", gw_global_str(s, GW_PYTHON_EXECUTABLE));
    put_number(to, "python_optimize", gw_global_num(s, GW_PYTHON_OPTIMIZE));
    put_number(to, "dont_write_bytecode", gw_global_num(s, GW_DONT_WRITE_BYTECODE));
    put_if(to, "python_hash_seed", gw_global_str(s, GW_PYTHON_HASH_SEED));
    put_if(to, "python_warnings", gw_global_str(s, GW_PYTHON_WARNINGS));
    put_number(to, "keep_interpreters", !gw_global_num(s, GW_DESTROY_INTERPRETER));
    put_number(to, "switch_interval", gw_global_num(s, GW_SWITCH_INTERVAL));
    put_number(to, "restrict_stdin", gw_global_num(s, GW_RESTRICT_STDIN));
    put_number(to, "restrict_stdout", gw_global_num(s, GW_RESTRICT_STDOUT));
    put_number(to, "restrict_signal", gw_global_num(s, GW_RESTRICT_SIGNAL));
    put_number(to, "case_sensitive", gw_global_num(s, GW_CASE_SENSITIVITY));
    ap_get_server_revision(&version);
    snprintf(text, sizeof text, "%d.%d.%d", version.major, version.minor, version.patch);
    put(to, "apache_version", text);
    put(to, "apache_description", ap_get_server_description());
    put(to, "apache_mpm", ap_show_mpm());
    put(to, "apache_build_date", ap_get_server_built());
    put_number(to, "io_timeout", (long)apr_time_sec(s->timeout));
    put_if(to, "error_log_main", s->error_fname);
}

/* One option, as it would be written in a configuration; seconds with decimals as microseconds, owners as uids. */
static void put_option(FILE *to, const gw_row *row, const gw_value *value)
{
    char name[64], text[64];
    const apr_array_header_t *list = value->ptr;

    snprintf(name, sizeof name, "option.%s", row->name);
    switch (row->kind) {
    case GW_KIND_ENV:
        for (int i = 0; i < list->nelts; i++)
            put(to, name, APR_ARRAY_IDX(list, i, const char *));
        break;
    case GW_KIND_OCTAL:
        snprintf(text, sizeof text, "%#lo", value->num);
        put(to, name, text);
        break;
    case GW_KIND_USER:
        snprintf(text, sizeof text, "#%ld", value->num);
        put(to, name, value->str ? value->str : text);
        break;
    case GW_KIND_FLAG:
    case GW_KIND_OWNER:
    case GW_KIND_NUMBER:
    case GW_KIND_SECONDS:
    case GW_KIND_NUMBER_OR_0:
        put_number(to, name, value->num);
        break;
    default:
        put_if(to, name, value->str);
        break;
    }
}

static void put_imports(FILE *to, const gw_group *group, server_rec *s)
{
    const apr_array_header_t *imports = gw_server_config_of(s)->imports;

    for (int i = 0; i < imports->nelts; i++) {
        const gw_import *import = &APR_ARRAY_IDX(imports, i, const gw_import);
        if (strcmp(import->process_group, group->name) != 0)
            continue;
        put(to, "import.script", import->script);
        put(to, "import.app_group", import->app_group);
    }
}

static void put_group(FILE *to, const gw_group *group, server_rec *s, int log)
{
    const gw_daemon *daemon = group->daemon;

    put(to, "group", group->name);
    put_number(to, "index", group->index);
    put_number(to, "first_slot", group->first_slot);
    put_number(to, "slot_count", group->slot_count);
    put_number(to, "processes", group->processes);
    put_number(to, "explicit_processes", daemon->options[GW_OPT_PROCESSES].set);
    put_number(to, "threads", group->threads);
    put(to, "python", gw_python_of(daemon)->version);
    put_number(to, "own_python", !gw_python_is_inherited(daemon));
    put_if(to, "python_program", gw_python_of(daemon)->program);
    put_number(to, "log_fd", log);
    put_number(to, "log_level", ap_get_server_module_loglevel(daemon->server, gw_log_index()));
    put_if(to, "server_name", daemon->server->server_hostname);
    for (int id = 0; id < GW_OPTION_COUNT; id++)
        if (daemon->options[id].set && !gw_options[id].idle && gw_options[id].kind != GW_KIND_PYTHON)
            put_option(to, &gw_options[id], &daemon->options[id]);
    put_imports(to, group, s);
}

/* ---- Error logs ---- */

/* The descriptor of a server's error log; -1 when that is no file or pipe (syslog). */
static int log_of(const server_rec *s)
{
    apr_os_file_t fd;

    return s->error_log && apr_os_file_get(&fd, s->error_log) == APR_SUCCESS ? fd : -1;
}

/* Where the supervisor finds the error log of a server: each log is handed over once. */
static int place_log(apr_array_header_t *descriptors, const server_rec *s)
{
    int fd = log_of(s);

    if (fd < 0 || fd == APR_ARRAY_IDX(descriptors, AT_ERR, int))
        return AT_ERR;
    for (int at = AT_LOGS; at < descriptors->nelts; at++)
        if (APR_ARRAY_IDX(descriptors, at, int) == fd)
            return at;
    APR_ARRAY_PUSH(descriptors, int) = fd;
    return descriptors->nelts - 1;
}

/* ---- Making it ---- */

/* memfd_create() by its number: older C libraries lack it. */
static int make_memory(const char *name)
{
    return (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static int make_config(apr_array_header_t *descriptors, server_rec *s)
{
    const gw_generation *g = gw_group_generation();
    int fd = make_memory("gowsgi-configuration"), copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0), failed;
    FILE *to = copy < 0 ? NULL : fdopen(copy, "w");

    APR_ARRAY_IDX(descriptors, AT_CONFIG, int) = fd;
    if (!to) {
        if (copy >= 0)
            close(copy);
        return 0;
    }
    put_server(to, s);
    for (uint32_t i = 0; i < g->group_count; i++)
        put_group(to, &g->groups[i], s, place_log(descriptors, g->groups[i].daemon->server));
    failed = ferror(to);
    return fclose(to) == 0 && !failed && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
}

/* Its size is sealed: who maps it need not fear that another process cuts it off. */
static int make_board(gw_handover *h)
{
    const gw_generation *g = gw_group_generation();
    int fd = make_memory("gowsgi-scoreboard");

    APR_ARRAY_IDX(h->descriptors, AT_BOARD, int) = fd;
    h->board_size = gowsgi_scoreboard_size(g->group_count, g->slot_count);
    if (fd < 0 || ftruncate(fd, (off_t)h->board_size) != 0
        || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return 0;
    h->board = mmap(NULL, h->board_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (h->board == MAP_FAILED)
        h->board = NULL;
    return h->board != NULL;
}

static int make_lease(gw_handover *h)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return 0;
    APR_ARRAY_IDX(h->descriptors, AT_LEASE, int) = ends[0];
    h->lease = ends[1];
    return 1;
}

const char *gw_handover_prepare(gw_handover *h, apr_pool_t *p, server_rec *main_server)
{
    int log = log_of(main_server);

    h->lease = -1;
    h->descriptors = apr_array_make(p, AT_LOGS, sizeof(int));
    for (int at = 0; at < AT_LOGS; at++)
        APR_ARRAY_PUSH(h->descriptors, int) = -1;
    APR_ARRAY_IDX(h->descriptors, AT_OUT, int) = APR_ARRAY_IDX(h->descriptors, AT_ERR, int) = log < 0 ? STDERR_FILENO : log;
    APR_ARRAY_IDX(h->descriptors, AT_NULL, int) = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (APR_ARRAY_IDX(h->descriptors, AT_NULL, int) < 0)
        return "/dev/null cannot be opened";
    if (!make_config(h->descriptors, main_server))
        return "the memory for their configuration cannot be made";
    if (!make_board(h))
        return "the memory that they share with httpd cannot be made";
    if (!make_lease(h))
        return "a pipe cannot be made";
    return NULL;
}

/* ---- In the new process ---- */

/* Closes all descriptors from first on. */
static int close_from(int first)
{
    struct rlimit limit;

#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0U, 0) == 0)
        return 0;
#endif
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return -1;
    for (rlim_t fd = (rlim_t)first; fd < limit.rlim_cur && fd < INT_MAX; fd++)
        close((int)fd);
    return 0;
}

/* Each goes out of the way of all first: above the highest. */
int gw_handover_place(const gw_handover *h)
{
    const int count = h->descriptors->nelts;
    const int *from = (const int *)h->descriptors->elts;
    int above = count;

    for (int at = 0; at < count; at++)
        if (from[at] >= above)
            above = from[at] + 1;
    for (int at = 0; at < count; at++)
        if (dup2(from[at], above + at) < 0)
            return -1;
    for (int at = 0; at < count; at++)
        if (dup2(above + at, at) < 0)
            return -1;
    if (lseek(AT_CONFIG, 0, SEEK_SET) != 0)
        return -1;
    return close_from(count);
}

/* ---- Later ---- */

void gw_handover_keep_lease(const gw_handover *h)
{
    static const int own[] = { AT_NULL, AT_CONFIG, AT_BOARD, AT_LEASE };

    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (h->descriptors && APR_ARRAY_IDX(h->descriptors, own[i], int) >= 0)
            close(APR_ARRAY_IDX(h->descriptors, own[i], int));
}

void gw_handover_close(gw_handover *h)
{
    gw_handover_keep_lease(h);
    if (h->lease >= 0)
        close(h->lease);
    if (h->board)
        munmap(h->board, h->board_size);
    *h = (gw_handover){ .lease = -1 };
}
