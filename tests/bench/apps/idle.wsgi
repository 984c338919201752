# This file is the smallest application; it leaves a file in the folder that its process runs in when it is loaded there.
import os

BODY = b"Hello, World!"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]

open("ready-%d" % os.getpid(), "w").close()


def application(environ, start_response):
    start_response("200 OK", HEADERS)
    return [BODY]
