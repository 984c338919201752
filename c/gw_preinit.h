/* This file declares WSGILazyInitialization Off: Python is initialised in httpd's parent, and children inherit it. */
#ifndef GW_PREINIT_H
#define GW_PREINIT_H

#include "httpd.h"

/* Initialises Python in the parent if the configuration asks for it and nobody has done so. Runs in post_config, before the
 * parent forks. The parent's only thread then holds the GIL; children find Py_IsInitialized() true and have to run
 * PyOS_AfterFork_Child(). When it fails, one line is logged, and children start Python by themselves. */
void gw_preinit_run(server_rec *main_server);

#endif
