"""Ends its process while it is imported, unless the file HEALTHY exists."""
import os

if not os.path.exists(os.environ["HEALTHY"]):
    os._exit(4)


def application(environ, start_response):
    body = b"alive"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
