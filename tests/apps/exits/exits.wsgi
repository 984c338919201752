"""Registers an exit function, and starts a thread that ends only when Python does. The query `hang` makes another exit
function that hangs, `daemon` starts a thread that never ends."""
import atexit
import sys
import threading
import time

import mod_wsgi

group = mod_wsgi.application_group
ended = False


def until_the_end():
    global ended
    threading.main_thread().join()
    ended = True
    print("thread of group '%s' ends" % group, file=sys.stderr)


def at_exit():
    print("exit function of group '%s', after its thread: %s" % (group, ended), file=sys.stderr)


atexit.register(at_exit)
started = False


def work():
    while True:
        time.sleep(0.001)


def application(environ, start_response):
    if environ["QUERY_STRING"] == "hang":
        atexit.register(threading.Event().wait)
    if environ["QUERY_STRING"] == "daemon":
        threading.Thread(target=work, daemon=True).start()
    start_response("200 OK", [("Content-Length", "0")])
    return []
