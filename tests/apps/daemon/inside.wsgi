"""Tells about the process that runs it: who it is, where it is, what it was given. The modules that the query names are
imported, for their `value`."""
import ctypes
import json
import locale
import os
import resource
import socket
import sys

AT_IMPORT = dict(os.environ)


def umask():
    with open("/proc/self/status") as status:
        return next(line.split()[1] for line in status if line.startswith("Umask:"))


def niceness():
    """That of each thread."""
    found = set()
    for task in os.listdir("/proc/self/task"):
        with open("/proc/self/task/%s/stat" % task) as stat:
            found.add(int(stat.read().rpartition(")")[2].split()[16]))
    return sorted(found)


def stack_size():
    """The size of the stack of the thread that serves the request."""
    libc = ctypes.CDLL(None)
    libc.pthread_self.restype = ctypes.c_ulong
    attributes, size = ctypes.create_string_buffer(256), ctypes.c_size_t()
    libc.pthread_getattr_np(ctypes.c_ulong(libc.pthread_self()), attributes)
    libc.pthread_attr_getstacksize(attributes, ctypes.byref(size))
    libc.pthread_attr_destroy(attributes)
    return size.value


def limit(which):
    """-1 where there is none, which RLIM_INFINITY is in some versions of Python only."""
    soft, _ = resource.getrlimit(which)
    return -1 if soft == resource.RLIM_INFINITY else soft


def buffers():
    """Receive and send buffer of each connection to httpd."""
    sizes = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink("/proc/self/fd/" + name).startswith("socket:"):
                continue
            copy = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue  # listdir's own
        with copy:
            if copy.family == socket.AF_UNIX and copy.type == socket.SOCK_STREAM \
                    and not copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                sizes.append([copy.getsockopt(socket.SOL_SOCKET, option) for option in (socket.SO_RCVBUF, socket.SO_SNDBUF)])
    return sizes


def application(environ, start_response):
    names = [name for name in environ["QUERY_STRING"].split(",") if name]
    answer = {
        "uid": os.getresuid(),
        "gid": os.getresgid(),
        "groups": sorted(os.getgroups()),
        "umask": umask(),
        "cwd": os.getcwd(),
        "pid": os.getpid(),
        "parent": os.getppid(),
        "path": sys.path,
        "prefix": sys.prefix,
        "environ": dict(os.environ),
        "at_import": AT_IMPORT,
        "locale": locale.setlocale(locale.LC_ALL),
        "stack": stack_size(),
        "buffers": buffers(),
        "group": environ["mod_wsgi.process_group"],
        "app_group": environ["mod_wsgi.application_group"],
        "multithread": environ["wsgi.multithread"],
        "multiprocess": environ["wsgi.multiprocess"],
        "run_once": environ["wsgi.run_once"],
        "limits": {name: limit(getattr(resource, "RLIMIT_" + name)) for name in ("CPU", "DATA", "AS")},
        "niceness": niceness(),
        "values": {name: __import__(name).value for name in names},
    }
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
