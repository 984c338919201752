/* This file finds out which Python the option python= of WSGIDaemonProcess names. It only looks at files, and never runs the program to
 * ask it: the process that reads the configuration is root's, and the program may be a tenant's. */
#include "gw_python.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_file_info.h"
#include "apr_lib.h"
#include "apr_strings.h"

#include "gw_home.h"
#include "gw_library.h"
#include "gw_loader.h"
#include "gw_value.h"

/* Whether the word is a version as libraries have it in their names: 3.13, or 3.13t. */
static int is_version(const char *word)
{
    size_t major = strspn(word, "0123456789"), minor = word[major] == '.' ? strspn(word + major + 1, "0123456789") : 0;

    if (!major || !minor)
        return 0;
    for (word += major + 1 + minor; apr_isalpha(*word); word++)
        ;
    return *word == '\0';
}

/* ---- Libraries ---- */

static int has_library(apr_pool_t *p, const char *version)
{
    return access(gw_loader_beside(p, apr_pstrcat(p, GW_LIBRARY_PREFIX, version, GW_LIBRARY_SUFFIX, NULL)), F_OK) == 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The versions that there are libraries of: "3.11, 3.13". */
static const char *libraries(apr_pool_t *p)
{
    const size_t before = sizeof GW_LIBRARY_PREFIX - 1, after = sizeof GW_LIBRARY_SUFFIX - 1;
    apr_array_header_t *versions = apr_array_make(p, 4, sizeof(const char *));
    const char *all = "";
    apr_finfo_t entry;
    apr_dir_t *dir;

    if (apr_dir_open(&dir, gw_loader_beside(p, "."), p) != APR_SUCCESS)
        return "none";
    while (apr_dir_read(&entry, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        size_t len = strlen(entry.name);
        if (len > before + after && !strncmp(entry.name, GW_LIBRARY_PREFIX, before)
            && !strcmp(entry.name + len - after, GW_LIBRARY_SUFFIX))
            APR_ARRAY_PUSH(versions, const char *) = apr_pstrmemdup(p, entry.name + before, len - before - after);
    }
    apr_dir_close(dir);
    qsort(versions->elts, (size_t)versions->nelts, sizeof(const char *), by_text);
    for (int i = 0; i < versions->nelts; i++)
        all = apr_pstrcat(p, all, *all ? ", " : "", APR_ARRAY_IDX(versions, i, const char *), NULL);
    return *all ? all : "none";
}

/* program: what make is to be given for it. */
static const char *check_library(apr_pool_t *p, const char *version, const char *program)
{
    if (has_library(p, version))
        return NULL;
    return apr_psprintf(p, "this is Python %s, and mod_gowsgi was not built for it; it was for: %s. In mod_gowsgi's source, make install "
                        "PYTHON=\"" GOWSGI_PYTHON_PROGRAM " %s\" builds and installs it", version, libraries(p), program);
}

/* ---- A program ---- */

static const char *folder_of(apr_pool_t *p, const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == path ? "/" : apr_pstrmemdup(p, path, (apr_size_t)(slash - path));
}

static const char *name_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

/* What keeps a file from being a program that can be told the version of, or NULL. One that only its owner may read is believed. */
static const char *check_begin(const char *path)
{
    FILE *file = fopen(path, "re");
    char begin[4] = "";
    size_t n;

    if (!file)
        return NULL;
    n = fread(begin, 1, sizeof begin, file);
    fclose(file);
    if (n >= 2 && !memcmp(begin, "#!", 2))
        return "a script, such as the shims of pyenv, which decides when it runs which Python it starts; write the program itself, "
               "as PROGRAM -c 'import sys; print(sys.executable)' prints it";
    if (n < sizeof begin || memcmp(begin, "\177ELF", sizeof begin) != 0)
        return "not a program";
    return NULL;
}

static const char *check_program(apr_pool_t *p, const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        int error = errno;
        if (error == ENOENT || error == ENOTDIR)
            return "there is no such file";
        return apr_psprintf(p, "it cannot be looked at by this user (uid %ld): %s", (long)geteuid(), strerror(error));
    }
    if (S_ISDIR(st.st_mode))
        return "a folder, where the program is to be named, such as bin/python3 in it";
    if (!S_ISREG(st.st_mode))
        return "not a file";
    if (!(st.st_mode & 0111))
        return "not executable";
    return check_begin(path);
}

/* "3.13" of "3.13.0" and of "3.13.0rc1"; "3.13t" when the prefix has the folder of that one. NULL: it is no version. */
static const char *short_version(apr_pool_t *p, const char *full, const char *prefix)
{
    size_t major = strspn(full, "0123456789"), minor = full[major] == '.' ? strspn(full + major + 1, "0123456789") : 0;
    const char *version = apr_pstrmemdup(p, full, major + 1 + minor);
    struct stat st;

    if (!major || !minor)
        return NULL;
    if (stat(apr_pstrcat(p, prefix, "/lib/python", version, "t", NULL), &st) == 0)
        return apr_pstrcat(p, version, "t", NULL);
    return version;
}

/* The version in "python3.13", or NULL. */
static const char *version_in(const char *name)
{
    return name && !strncmp(name, "python", 6) && is_version(name + 6) ? name + 6 : NULL;
}

/* The version in the name of the program's file, or the only one that its installation has; or NULL. A python3.13 may be a 3.13t, when
 * that is all that is installed there. */
static const char *version_of_file(apr_pool_t *p, const char *real)
{
    const char *named = version_in(name_of(real));
    const char *only = version_in(gw_home_installed(p, apr_pstrcat(p, folder_of(p, real), "/..", NULL)));

    return named && !(only && !strncmp(only, named, strlen(named)) && apr_isalpha(only[strlen(named)])) ? named : only;
}

static int has_same_numbers(const char *a, const char *b)
{
    size_t len = strspn(a, "0123456789.");

    return len == strspn(b, "0123456789.") && strncmp(a, b, len) == 0;
}

/* Finds the version of a program that is there. A virtual environment says it itself. */
static const char *find_version(apr_pool_t *p, const char *path, const char *real, const char **version)
{
    const char *prefix = folder_of(p, folder_of(p, path)), *cfg = apr_pstrcat(p, prefix, "/pyvenv.cfg", NULL), *full, *of_venv;

    *version = NULL;
    if (strncmp(name_of(path), "python", 6) != 0 && strncmp(name_of(real), "python", 6) != 0)
        return "its name is not that of a Python";
    *version = version_of_file(p, real);
    full = gw_home_venv_version(p, cfg);
    of_venv = full && *full ? short_version(p, full, prefix) : NULL;
    if (!of_venv)
        return *version ? NULL : "which Python it is cannot be told from its name, nor from its folder; write its version, as "
                                 "in python=3.13, and python-home=";
    if (*version && !has_same_numbers(of_venv, *version))
        return apr_psprintf(p, "it belongs to a virtual environment of Python %s, and is %s itself; create the environment anew", full,
                            real);
    *version = of_venv;
    return NULL;
}

static const char *find_program(apr_pool_t *p, const char *path, gw_python *python)
{
    const char *fault = check_program(p, path), *real;
    char *resolved;

    if (fault)
        return fault;
    resolved = realpath(path, NULL);
    real = resolved ? apr_pstrdup(p, resolved) : path;
    free(resolved);
    fault = find_version(p, path, real, &python->version);
    if (fault)
        return fault;
    python->program = path;
    return check_library(p, python->version, real);
}

/* ---- The option ---- */

const char *gw_python_read(apr_pool_t *p, const char *word, gw_value *out)
{
    gw_python *python = apr_pcalloc(p, sizeof *python);
    const char *fault;

    for (const char *s = word; *s; s++)
        if (apr_iscntrl(*s))
            return "not printable text";
    word = apr_pstrdup(p, word);
    if (word[0] == '/') {
        fault = find_program(p, word, python);
    } else if (is_version(word)) {
        python->version = word;
        fault = check_library(p, word, apr_pstrcat(p, "python", word, NULL));
    } else {
        return "neither the absolute path of a Python nor a version such as 3.13";
    }
    if (fault)
        return fault;
    out->str = word;
    out->ptr = python;
    return NULL;
}

const char *gw_python_check_home(apr_pool_t *p, const gw_daemon *daemon)
{
    const char *home = gw_daemon_str(daemon, GW_OPT_PYTHON_HOME), *version = gw_python_of(daemon)->version, *problem;

    if (!daemon->options[GW_OPT_PYTHON].set || !home || gw_home_check(p, home, version, &problem) != GW_HOME_BAD
        || gw_home_is_closed(p, home))
        return NULL;
    return apr_psprintf(p, "%s, and python=%s is Python %s", problem, gw_daemon_str(daemon, GW_OPT_PYTHON), version);
}

const gw_python *gw_python_of(const gw_daemon *daemon)
{
    static const gw_python of_apache = { .version = GOWSGI_PYTHON };

    return daemon->options[GW_OPT_PYTHON].set ? daemon->options[GW_OPT_PYTHON].ptr : &of_apache;
}

int gw_python_is_inherited(const gw_daemon *daemon)
{
    const gw_python *python = gw_python_of(daemon);

    return !python->program && strcmp(python->version, GOWSGI_PYTHON) == 0;
}
