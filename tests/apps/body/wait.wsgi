"""Says by the file `began` that it runs, and reads the body when the file `go` is there, or never without one."""
import os
import time
import urllib.parse


def application(environ, start_response):
    names = dict(urllib.parse.parse_qsl(environ["QUERY_STRING"]))
    open(names["began"], "w").close()
    body = b"not read"
    if "go" in names:
        end = time.monotonic() + 20
        while not os.path.exists(names["go"]) and time.monotonic() < end:
            time.sleep(0.01)
        body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
