# This file is an application that streams 100 MiB from a generator, 64 KiB at a time and without a Content-Length.
CHUNK = b"x" * (64 << 10)
COUNT = (100 << 20) // len(CHUNK)


def chunks():
    for _ in range(COUNT):
        yield CHUNK


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return chunks()
