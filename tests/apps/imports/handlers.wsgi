"""For WSGIImportScript with WSGIRestrictSignal Off: handlers that write into the file SIGNALS what they do, after their process."""
import os
import signal
import sys
import threading
import time


def note(what):
    with open(os.environ["SIGNALS"], "a") as file:
        file.write("%d %s\n" % (os.getpid(), what))


def tell(number, frame):
    note("called on the main thread: %s" % (threading.current_thread() is threading.main_thread()))


def fail(number, frame):
    note("fails")
    raise LookupError("in a handler")


def leave(number, frame):
    note("leaves")
    sys.exit(3)


def fork(number, frame):
    child = os.fork()
    if child:
        note("its child ended with %d" % os.waitpid(child, 0)[1])


def stay(number, frame):
    note("stays")
    while True:
        time.sleep(60)


signal.signal(signal.SIGUSR2, tell)
for position, handler in enumerate((fail, leave, fork, stay), 1):
    signal.signal(signal.SIGRTMIN + position, handler)


def application(environ, start_response):
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
