# This file is an application whose page is some 5 ms of computing in pure Python.
ROUNDS = 60000


def application(environ, start_response):
    total = 1
    for number in range(ROUNDS):
        total = (total * 31 + number) & 0xFFFFFF
    body = b"%d\n" % total
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
