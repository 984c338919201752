"""Prints while it is imported and while it answers; fails when the path says so."""
import os
import sys

print("printed while importing", file=sys.stderr)


def application(environ, start_response):
    print("printed by a request", file=sys.stderr)
    print("wsgi.errors of a request", file=environ["wsgi.errors"])
    if environ["PATH_INFO"] == "/fail":
        raise LookupError("failed on demand")
    if environ["PATH_INFO"] == "/exit":
        os._exit(3)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"spoken"]
