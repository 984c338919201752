/* This file declares how httpd's signal handlers and the Go runtime live in one process. */
#ifndef GW_SIGNALS_H
#define GW_SIGNALS_H

#include <signal.h>

/* Handlers and mask as httpd set them. */
typedef struct gw_signals {
    struct sigaction handlers[NSIG];
    sigset_t mask;
} gw_signals;

/* Remembers all handlers and this thread's mask, and blocks all signals: Go's threads, which start now, inherit that, so that
 * httpd's handlers only ever run on httpd's threads. */
void gw_signals_hold(gw_signals *saved);

/* Once Go has started: puts httpd's handlers and mask back, but for the handlers that Go needs. */
void gw_signals_release(gw_signals *saved);

/* Makes every handler run on the alternate stack of a thread that has one. To be called before a thread enters Go when httpd may
 * have set handlers since: a goroutine's stack is too small for a handler written in C. */
void gw_signals_use_stack(void);

#endif
