"""Forks. The child ends as the query says: _exit, return (it comes back into the server), raise, sysexit, or terminate."""
import os
import signal
import sys
import time


def child(how, start_response):
    if how == "_exit":
        os._exit(7)
    if how == "raise":
        raise LookupError("in the child")
    if how == "sysexit":
        sys.exit(7)
    if how == "terminate":
        while True:
            time.sleep(1)
    start_response("200 OK", [])
    return [b"the child's answer"]


def application(environ, start_response):
    pid = os.fork()
    if pid == 0:
        return child(environ["QUERY_STRING"], start_response)
    if environ["QUERY_STRING"] == "terminate":
        os.kill(pid, signal.SIGTERM)
    _, status = os.waitpid(pid, 0)
    body = b"%d" % os.waitstatus_to_exitcode(status)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
