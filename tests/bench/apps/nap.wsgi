# This file is an application that sleeps as many milliseconds as its query says, as one that waits for a database does.
import time

BODY = b"good morning"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]


def application(environ, start_response):
    time.sleep(int(environ["QUERY_STRING"].removeprefix("ms=")) / 1000)
    start_response("200 OK", HEADERS)
    return [BODY]
