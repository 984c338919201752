/* This file is the table in which a warm request finds its application: script, group and name of the entry point lead to the
 * object to call. Go fills it; the straight road only reads. One mutex guards it and the users of interpreters. */
#include "gw_py.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_SIZE 256

/* A key and what is loaded for it now. Stays for the life of the process. */
typedef struct entry {
    struct entry *next;
    uint32_t hash;
    char *script, *app_group, *callable;
    gwp_loaded *loaded;
} entry;

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static entry *table[TABLE_SIZE];

static uint32_t hash_string(uint32_t h, const char *s)
{
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return (h ^ 0xff) * 16777619u;
}

static uint32_t hash_key(const char *script, const char *app_group, const char *callable)
{
    return hash_string(hash_string(hash_string(2166136261u, script), app_group), callable);
}

static entry *find(uint32_t hash, const char *script, const char *app_group, const char *callable)
{
    entry *e;

    for (e = table[hash % TABLE_SIZE]; e; e = e->next)
        if (e->hash == hash && !strcmp(e->script, script) && !strcmp(e->app_group, app_group) &&
            !strcmp(e->callable, callable))
            return e;
    return NULL;
}

gwp_loaded *gwp_table_take(const gowsgi_request *req)
{
    const char *script = req->script.data, *group = req->app_group.data, *callable = req->callable.data;
    uint32_t hash = hash_key(script, group, callable);
    gwp_loaded *loaded;
    entry *e;

    pthread_mutex_lock(&table_lock);
    e = find(hash, script, group, callable);
    loaded = e ? e->loaded : NULL;
    if (loaded && loaded->interp->retired)
        loaded = NULL;
    if (loaded && (req->flags & GOWSGI_REQ_RELOAD) && req->script_mtime && loaded->mtime != req->script_mtime)
        loaded = NULL;
    if (loaded) {
        loaded->refs++;
        loaded->interp->users++;
    }
    pthread_mutex_unlock(&table_lock);
    return loaded;
}

static int drop_ref(gwp_loaded *loaded)
{
    int refs;

    pthread_mutex_lock(&table_lock);
    refs = --loaded->refs;
    pthread_mutex_unlock(&table_lock);
    return refs;
}

void gwp_table_release(gwp_loaded *loaded)
{
    if (drop_ref(loaded) > 0)
        return;
    Py_XDECREF(loaded->callable);
    Py_XDECREF(loaded->module);
    free(loaded);
}

int gwp_interp_hold(gwp_interp *interp)
{
    int usable;

    pthread_mutex_lock(&table_lock);
    usable = !interp->retired;
    interp->users += usable;
    pthread_mutex_unlock(&table_lock);
    return usable ? 0 : -1;
}

int gwp_interp_release(gwp_interp *interp)
{
    int last;

    pthread_mutex_lock(&table_lock);
    last = --interp->users == 0 && interp->retired && !interp->ended;
    pthread_mutex_unlock(&table_lock);
    return last;
}

static entry *entry_new(uint32_t hash, const char *script, const char *app_group, const char *callable)
{
    entry *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    e->hash = hash;
    e->script = strdup(script);
    e->app_group = strdup(app_group);
    e->callable = strdup(callable);
    if (!e->script || !e->app_group || !e->callable) {
        free(e->script);
        free(e->app_group);
        free(e->callable);
        free(e);
        return NULL;
    }
    return e;
}

gwp_loaded *gwp_table_publish(const char *script, const char *app_group, const char *callable, gwp_interp *interp,
                              PyObject *module, PyObject *object, int64_t mtime, gwp_loaded **before)
{
    uint32_t hash = hash_key(script, app_group, callable);
    gwp_loaded *loaded = calloc(1, sizeof *loaded);
    entry *e;

    *before = NULL;
    pthread_mutex_lock(&table_lock);
    e = find(hash, script, app_group, callable);
    if (!e && (e = entry_new(hash, script, app_group, callable)) != NULL) {
        e->next = table[hash % TABLE_SIZE];
        table[hash % TABLE_SIZE] = e;
    }
    if (!e || !loaded) {
        pthread_mutex_unlock(&table_lock);
        free(loaded);
        Py_DECREF(module);
        Py_DECREF(object);
        return NULL;
    }
    *loaded = (gwp_loaded){.interp = interp, .module = module, .callable = object, .mtime = mtime, .refs = 1};
    if (!interp->retired) { /* a retired interpreter gets no more requests than this one */
        *before = e->loaded;
        e->loaded = loaded;
        loaded->refs++;
    }
    pthread_mutex_unlock(&table_lock);
    return loaded;
}

int64_t gwp_table_mtime(const char *script, const char *app_group, const char *callable)
{
    entry *e;
    int64_t mtime;

    pthread_mutex_lock(&table_lock);
    e = find(hash_key(script, app_group, callable), script, app_group, callable);
    mtime = e && e->loaded ? e->loaded->mtime : -1;
    pthread_mutex_unlock(&table_lock);
    return mtime;
}

/* Takes an interpreter's applications out of the table. With its GIL. */
static void drop_applications(const gwp_interp *interp)
{
    gwp_loaded *gone;

    for (size_t i = 0; i < TABLE_SIZE; i++) {
        pthread_mutex_lock(&table_lock);
        for (entry *e = table[i]; e; e = e->next) {
            if (e->loaded && e->loaded->interp == interp) {
                gone = e->loaded;
                e->loaded = NULL;
                pthread_mutex_unlock(&table_lock);
                gwp_table_release(gone);
                pthread_mutex_lock(&table_lock);
            }
        }
        pthread_mutex_unlock(&table_lock);
    }
}

int gwp_table_retire(gwp_interp *interp)
{
    int first;

    pthread_mutex_lock(&table_lock);
    first = !interp->retired;
    interp->retired = 1; /* before the table is gone through: what is published after that is refused */
    interp->users += first;
    pthread_mutex_unlock(&table_lock);
    if (!first)
        return 0;
    if (gwp_enter(interp) == 0) {
        drop_applications(interp);
        gwp_leave();
    }
    return gwp_interp_release(interp);
}
