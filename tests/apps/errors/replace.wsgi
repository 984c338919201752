"""States a second response with exc_info, before or after the first one began."""
import sys


def application(environ, start_response):
    write = start_response("200 OK", [("X-First", "yes"), ("Content-Length", "1000")][:1 if environ["QUERY_STRING"] == "after" else 2])
    try:
        if environ["QUERY_STRING"] == "after":
            write(b"begun")
        raise ValueError("too late")
    except ValueError:
        start_response("503 Service Unavailable", [("X-Second", "yes")], sys.exc_info())
    return [b"replaced"]
