"""Answers, or fails as the query says. It can tell how many requests are inside."""
import threading

inside = 0
lock = threading.Lock()


class Response:
    def __init__(self, query):
        self.query = query

    def __iter__(self):
        if self.query == "break":
            yield b"x" * 10
            raise LookupError("in the response")
        if self.query == "much":
            for _ in range(1000):
                yield b"x" * 10000
        if self.query == "busy":
            yield b"%d" % inside

    def close(self):
        global inside
        with lock:
            inside -= 1


def application(environ, start_response):
    global inside
    query = environ["QUERY_STRING"]
    if query == "raise":
        raise LookupError("before the response")
    with lock:
        inside += 1
    if query == "read":
        try:
            environ["wsgi.input"].read()
        except OSError:
            pass
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Response(query)
