"""Registers an exit function, and starts a thread that has some work to finish. The query `hang` makes another exit
function that hangs, `daemon` starts a thread that never ends."""
import atexit
import sys
import threading
import time

import mod_wsgi

group = mod_wsgi.application_group
finished = False


def work():
    global finished
    for _ in range(300):
        time.sleep(0.001)
    finished = True


def at_exit():
    print("exit function of group '%s', thread finished: %s" % (group, finished), file=sys.stderr)


def forever():
    while True:
        time.sleep(0.001)


atexit.register(at_exit)
threading.Thread(target=work, daemon=False).start()  # else it would be what the thread is that loads this


def application(environ, start_response):
    if environ["QUERY_STRING"] == "hang":
        atexit.register(threading.Event().wait)
    if environ["QUERY_STRING"] == "daemon":
        threading.Thread(target=forever, daemon=True).start()
    start_response("200 OK", [("Content-Length", "0")])
    return []
