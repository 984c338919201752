# This file is an application that reads its request body 64 KiB at a time and answers with the number of bytes.


def application(environ, start_response):
    stream = environ["wsgi.input"]
    total = 0
    while True:
        data = stream.read(64 << 10)
        if not data:
            break
        total += len(data)
    body = str(total).encode("ascii")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
