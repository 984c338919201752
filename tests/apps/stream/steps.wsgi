"""Sends one piece, waits for the file `go`, and sends another. The kind says how: by a generator, write(), an iterator that Python
calls, each piece with the length stated or not."""
import os
import time
import urllib.parse


def wait_for(path):
    end = time.monotonic() + 20
    while not os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.01)


def pieces(path):
    yield b"first\n"
    wait_for(path)
    yield b""
    yield b"second\n"


def application(environ, start_response):
    names = dict(urllib.parse.parse_qsl(environ["QUERY_STRING"]))
    headers = [("Content-Type", "text/plain")]
    if "length" in names["kind"]:
        headers.append(("Content-Length", "13"))
    write = start_response("200 OK", headers)
    if "write" not in names["kind"]:
        return pieces(names["go"])
    for piece in pieces(names["go"]):
        write(piece)
    return []
