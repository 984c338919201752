/* This file writes log lines that belong to no request, in the format of httpd's error log. It is C, for they are written with and
 * without Python's lock, by any thread. */
#define _GNU_SOURCE
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINE 8192             /* where httpd cuts a line */
#define SELDOM_US 10000000

static int log_fd = 2, log_level = GOWSGI_LOG_WARNING;

void gwd_log_setup(int fd, int level)
{
    log_fd = fd;
    log_level = level;
}

static size_t put_prefix(char *line, size_t cap, int level)
{
    static const char *const names[] = {"emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"};
    char name[16], date[32], year[8];
    struct timespec now;
    struct tm local;

    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    strftime(date, sizeof date, "%a %b %d %H:%M:%S", &local);
    strftime(year, sizeof year, "%Y", &local);
    if (level < 8)
        snprintf(name, sizeof name, "%s", names[level < 0 ? 0 : level]);
    else
        snprintf(name, sizeof name, "trace%d", level > 15 ? 8 : level - 7);
    return (size_t)snprintf(line, cap, "[%s.%06ld %s] [gowsgi:%s] [pid %d:tid %d] ", date, now.tv_nsec / 1000, year, name,
                            (int)getpid(), (int)gettid());
}

/* Escapes what httpd escapes, so that nobody can forge a line. Returns how many bytes were written, 4 at the most. */
static size_t put_escaped(char *at, unsigned char c)
{
    static const char controls[] = "\b\n\r\t\v", letters[] = "bnrtv", digits[] = "0123456789abcdef";
    const char *control = c ? memchr(controls, c, sizeof controls - 1) : NULL;

    if (control || c == '\\') {
        at[0] = '\\';
        at[1] = control ? letters[control - controls] : '\\';
        return 2;
    }
    if (c >= ' ' && c < 0x7f) {
        *at = (char)c;
        return 1;
    }
    at[0] = '\\';
    at[1] = 'x';
    at[2] = digits[c >> 4];
    at[3] = digits[c & 15];
    return 4;
}

void gwd_log(int level, gowsgi_span text)
{
    char line[MAX_LINE];
    size_t len;

    if (level > log_level)
        return;
    len = put_prefix(line, sizeof line, level);
    for (size_t i = 0; i < text.len && len < MAX_LINE - 5; i++)
        len += put_escaped(line + len, (unsigned char)text.data[i]);
    line[len++] = '\n';
    if (write(log_fd, line, len) < 0)
        return; /* nobody can be told */
}

static void log_list(int level, const char *format, va_list list)
{
    char text[2048];
    int n = vsnprintf(text, sizeof text, format, list);

    if (n > 0)
        gwd_log(level, (gowsgi_span){text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1});
}

void gwd_logf(int level, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    log_list(level, format, list);
    va_end(list);
}

void gwd_logf_seldom(int level, const char *format, ...)
{
    static int64_t next;
    static unsigned left_out;
    int64_t now = gwd_monotonic(), due = __atomic_load_n(&next, __ATOMIC_RELAXED);
    unsigned n;
    va_list list;

    if (now < due || !__atomic_compare_exchange_n(&next, &due, now + SELDOM_US, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        __atomic_add_fetch(&left_out, 1, __ATOMIC_RELAXED);
        return;
    }
    va_start(list, format);
    log_list(level, format, list);
    va_end(list);
    n = __atomic_exchange_n(&left_out, 0, __ATOMIC_RELAXED);
    if (n)
        gwd_logf(GOWSGI_LOG_INFO, "%u more such lines were left out since the one before", n);
}
