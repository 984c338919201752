"""Prints while it is imported and while it answers. PATH_INFO says how it then ends: /raise, /exit, /thread or /."""
import sys
import threading

print("printed while importing", file=sys.stderr)
sys.stderr.write("written while importing\n")


def raises():
    raise LookupError("raised on demand")


ENDS = {"/raise": raises, "/exit": lambda: sys.exit("left on demand")}


def speak_apart():
    print("printed by a thread", file=sys.stderr)


def application(environ, start_response):
    print("printed by a request", file=sys.stderr)
    environ["wsgi.errors"].write("wsgi.errors of a request\n")
    if environ["PATH_INFO"] == "/thread":
        thread = threading.Thread(target=speak_apart)
        thread.start()
        thread.join()
    ENDS.get(environ["PATH_INFO"], lambda: None)()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"spoken"]
