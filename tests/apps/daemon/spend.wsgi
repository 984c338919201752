"""Spends what the query says: `/time` so many seconds of a processor, `/memory` so many bytes."""
import os
import time


def application(environ, start_response):
    amount = float(environ["QUERY_STRING"])
    if environ["PATH_INFO"] == "/time":
        end = time.process_time() + amount
        while time.process_time() < end:
            pass
    else:
        bytearray(int(amount))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % os.getpid()]
