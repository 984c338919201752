"""Writes to the file TRACE which request begins (+) and ends (-) in which process. The query's first word is the request's name; the
second, if there is one, how the process is to die, which it does when other requests run in it, too; those do not end any more."""
import ctypes
import os
import resource
import signal
import threading
import time

lock = threading.Lock()
running = 0
dying = False
OTHERS = 3


def limit_memory(more):
    """Lets the process have hardly more memory than now."""
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, resource.RLIM_INFINITY))


def ask_for_memory():
    """Asks for more memory than there is. Python says so."""
    limit_memory(64 << 20)
    try:
        return len(bytearray(1 << 30))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def exhaust_memory():
    """Takes more memory than there is, without asking whether it got it."""
    limit_memory(16 << 20)
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    while True:
        ctypes.memset(libc.malloc(1 << 20), 1, 1 << 20)


DEATHS = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "segfault": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "exit": lambda: os._exit(3),
    "memory": exhaust_memory,
    "MemoryError": ask_for_memory,
}


def trace(environ, sign, name):
    fd = os.open(environ["TRACE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(fd, b"%s %d %s\n" % (sign, os.getpid(), name.encode()))
    os.close(fd)


def leave():
    """Whether the request may end."""
    global running
    with lock:
        running -= not dying
        return not dying


def application(environ, start_response):
    global running, dying
    name, _, how = environ["QUERY_STRING"].partition("+")
    trace(environ, b"+", name)
    with lock:
        running += 1
    if how:
        while not dying:
            with lock:
                dying = running > OTHERS
            time.sleep(0.001)
        try:
            DEATHS[how]()
        finally:
            dying = False
    time.sleep(0.02)
    while not leave():
        time.sleep(0.001)
    trace(environ, b"-", name)
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
