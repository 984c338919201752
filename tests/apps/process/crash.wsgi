"""With the query `crash`, crashes; faulthandler tells where."""
import ctypes
import faulthandler
import os

faulthandler.enable()


def application(environ, start_response):
    if environ["QUERY_STRING"] == "crash":
        ctypes.string_at(0)
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
