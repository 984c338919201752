"""Its exit function writes a file, and then takes very long when the path of a request said so."""
import atexit
import os
import time

folder = slow = None


def say_goodbye():
    if folder:
        with open(os.path.join(folder, "exit-%d" % os.getpid()), "w"):
            pass
    if slow:
        time.sleep(60)


atexit.register(say_goodbye)


def application(environ, start_response):
    global folder, slow
    folder, slow = environ["GATE"], environ["PATH_INFO"] == "/slow"
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
