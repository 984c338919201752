"""Reads the body in pieces and answers how many bytes they had."""


def application(environ, start_response):
    total = 0
    while True:
        piece = environ["wsgi.input"].read(10_000)
        if not piece:
            break
        total += len(piece)
    body = b"%d" % total
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
