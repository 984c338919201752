"""Has an exit function, and an object that says by a file when it is destroyed. The query is the folder for both."""
import atexit
import os


class Object:
    def __init__(self, folder):
        self.folder, self.open, self.pid = folder, open, os.getpid()

    def tell(self, what):
        self.open("%s/%s-%d" % (self.folder, what, self.pid), "w").close()

    def __del__(self):
        self.tell("destroyed")


kept = []


def application(environ, start_response):
    if not kept:
        kept.append(Object(environ["QUERY_STRING"]))
        atexit.register(kept[0].tell, "exited")
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]
