# This file is an application with a response of 1 MiB in one piece.
BODY = b"x" * (1 << 20)
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]


def application(environ, start_response):
    start_response("200 OK", HEADERS)
    return [BODY]
