# This file is an application that waits, for as many milliseconds as the query string says.
import time

BODY = b"done"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]


def application(environ, start_response):
    time.sleep(int(environ["QUERY_STRING"]) / 1000)
    start_response("200 OK", HEADERS)
    return [BODY]
