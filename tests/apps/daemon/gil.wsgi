"""Keeps Python's global lock, in a C function that waits for long, when the path says so."""
import ctypes
import os


def hold_the_lock():
    ctypes.PyDLL(None).sleep(60)


def application(environ, start_response):
    if environ["PATH_INFO"] == "/hold":
        hold_the_lock()
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
