"""Takes as long to import as the file IMPORT_WHEN is not there."""
import os
import time

with open(os.environ["IMPORT_WHEN"] + ".begun", "a") as begun:
    begun.write("%d\n" % os.getpid())
while not os.path.exists(os.environ["IMPORT_WHEN"]):
    time.sleep(0.01)


def application(environ, start_response):
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
