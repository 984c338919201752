"""Is busy for the number of seconds in the query: `/write` sends a byte now and then, `/read` reads what comes."""
import os
import time


def write(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield b"."
        time.sleep(0.1)
    yield b" %d" % os.getpid()


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/write":
        return write(float(environ["QUERY_STRING"]))
    if environ["PATH_INFO"] == "/read":
        while environ["wsgi.input"].read(1):
            pass
    return [b"%d" % os.getpid()]
