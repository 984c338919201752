/* This file names the rows of directives.def and daemon_options.def, and says what their columns mean. It is pure C: the
 * Apache side, the library behind it and package directives include it. The rows themselves are in rows.h. */
#ifndef GW_TABLE_H
#define GW_TABLE_H

#define GW_DIRECTIVE(id, name, kind, where, value, syntax, help) GW_##id,
typedef enum gw_directive_id {
#include "directives.def"
    GW_DIRECTIVE_COUNT
} gw_directive_id;

#define GW_OPTION(id, name, kind, value, syntax, help) GW_OPT_##id,
typedef enum gw_option_id {
#include "daemon_options.def"
    GW_OPTION_COUNT
} gw_option_id;

/* How a value is written, and what is kept of it: (num), (str) and (ptr) are the members of gw_value. */
typedef enum gw_kind {
    GW_KIND_FLAG,        /* On or Off (num: 1, 0) */
    GW_KIND_OFF,         /* Off, the other word is refused (num: 0) */
    GW_KIND_NUMBER,      /* a whole number from min to max, which may be less than 0 (num) */
    GW_KIND_NUMBER_OR_0, /* 0, or a whole number from min to max (num) */
    GW_KIND_SECONDS,     /* seconds, with up to six decimals; min to max, and kept, in microseconds (num) */
    GW_KIND_SEED,        /* "random" or a whole number from min to max (str: as written) */
    GW_KIND_WARNINGS,    /* a filter as of python -W, repeatable (str: all, each on a line) */
    GW_KIND_OCTAL,       /* an octal number from min to max (num) */
    GW_KIND_KEYWORD,     /* one of the keywords, in any case (num: its index) */
    GW_KIND_MUTEX,       /* a keyword that names a method of locking which APR has here (num: its index) */
    GW_KIND_TEXT,        /* printable text, not empty (str) */
    GW_KIND_GROUP,       /* a name, or one %{...} (str: as written; expand.h expands it) */
    GW_KIND_CALLABLE,    /* a Python name, or %{ENV:variable} (str: as written) */
    GW_KIND_PATH,        /* an absolute path (str) */
    GW_KIND_PATHS,       /* min to max absolute paths, separated by ':' (str) */
    GW_KIND_PYTHON,      /* the absolute path of a Python, or a version (ptr: gw_python; str: as written) */
    GW_KIND_PREFIX,      /* a path, relative ones starting at ServerRoot (str: absolute) */
    GW_KIND_USER,        /* a user, not root (num: uid; str: name, NULL when the uid has none) */
    GW_KIND_OWNER,       /* a user, root too (num: uid; str: as written) */
    GW_KIND_UNIX_GROUP,  /* a group (num: gid; str: as written) */
    GW_KIND_UNIX_GROUPS, /* groups, separated by ',' (ptr: array of gid_t; str: as written) */
    GW_KIND_ENV,         /* NAME=value, repeatable (ptr: array of const char *, in order) */
    GW_KIND_NAMES,       /* names of process groups (ptr: array of const char *; "" is %{GLOBAL}) */
    GW_KIND_SCRIPT,      /* a script and its options (ptr: gw_hook_script) */
    GW_KIND_ALIAS,       /* kept in gw_server_config.aliases */
    GW_KIND_ALIAS_MATCH, /* kept in gw_server_config.aliases */
    GW_KIND_IMPORT,      /* kept in gw_server_config.imports */
    GW_KIND_DAEMON       /* kept in gw_server_config.daemons */
} gw_kind;

/* Where a directive may stand, and so which record keeps it. */
typedef enum gw_where {
    GW_WHERE_MAIN,       /* server config only; the main server's record */
    GW_WHERE_SERVER,     /* server config and virtual host; the server's record */
    GW_WHERE_DIRECTORY,  /* these and directory; the directory's record */
    GW_WHERE_FILEINFO,   /* these and .htaccess where AllowOverride has FileInfo; the directory's record */
    GW_WHERE_AUTHCFG     /* directory, and .htaccess where AllowOverride has AuthConfig; the directory's record */
} gw_where;

/* Indexes of keywords, in the order of their rows. */
enum { GW_RELOAD_MODULE = 0, GW_RELOAD_INTERPRETER = 1, GW_RELOAD_PROCESS = 2 };
enum { GW_MAP_HEAD_OFF = 0, GW_MAP_HEAD_ON = 1, GW_MAP_HEAD_AUTO = 2 };
enum {
    GW_MUTEX_DEFAULT = 0, GW_MUTEX_FLOCK = 1, GW_MUTEX_FCNTL = 2, GW_MUTEX_SYSVSEM = 3, GW_MUTEX_POSIXSEM = 4,
    GW_MUTEX_PTHREAD = 5
};

/* One row of either table. */
typedef struct gw_row {
    const char *name;        /* as it is written in a configuration */
    gw_kind kind;
    gw_where where;          /* directives only */
    long num;                /* the default, when it is a number, a flag or a keyword */
    const char *str;         /* the default, when it is text; else NULL */
    const char *unset;       /* in words: what holds when nothing is given. NULL: the row has a default */
    long min, max;           /* of numbers; of the count of paths */
    int idle;                /* accepted and without effect; the help begins with "Has no effect" */
    const char *keywords;    /* separated by '|', or NULL */
    const char *syntax;      /* the arguments; of an option: what follows '=' */
    const char *help;        /* its meaning, for README.md and httpd -L */
} gw_row;

#endif
