"""Writes to Apache's side by itself, past mod_gowsgi: a response that ends, and a file behind its end."""
import array
import os
import socket
import struct

HEAD, DATA, FILE, LAST = 17, 18, 19, 3


def frame(kind, payload, flags=0):
    return struct.pack(">IBBH", len(payload), kind, flags, 0) + payload


def connections():
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            one = socket.socket(fileno=os.dup(fd))
            one.getpeername()
        except OSError:
            continue
        if one.family == socket.AF_UNIX and one.getsockname():
            yield one


def application(environ, start_response):
    with open(__file__) as file:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file.fileno()]))]
        for one in connections():
            one.sendall(frame(HEAD, struct.pack(">HHq", 200, 2, 3) + b"OK\0") + frame(DATA, b"abc", LAST))
            one.sendmsg([frame(FILE, struct.pack(">qq", 0, 20))], rights)
    start_response("200 OK", [])
    return []
