"""Uses what the server restricts; the path says what. Answers the exception, or "done"."""
import builtins
import os
import signal
import sys

import mod_wsgi


def stdin():
    return sys.stdin.read()


def stdin_fileno():
    return sys.stdin.fileno()


def stdin_original():
    return repr(sys.__stdin__.read()) if sys.__stdin__ else "None"


def ask():
    return builtins.input("your name? ")


def stdout():
    print("printed by group '%s'" % mod_wsgi.application_group)


def stdout_write():
    sys.stdout.write("written ")
    sys.stdout.write("in pieces\n")
    sys.stdout.flush()


def stdout_isatty():
    return sys.stdout.isatty()


def register():
    before = signal.getsignal(signal.SIGTERM)
    returned = signal.signal(signal.SIGTERM, lambda number, frame: None)
    return "same" if signal.getsignal(signal.SIGTERM) == before == returned else "changed"


def replace():
    # Assigning one's own streams is no use of the restricted ones.
    mine, sys.stdout = sys.stdout, open(os.devnull, "w")
    try:
        print("nobody reads this")
    finally:
        sys.stdout.close()
        sys.stdout = mine


def application(environ, start_response):
    try:
        answer = globals()[environ["PATH_INFO"][1:]]()
        text = "done" if answer is None else str(answer)
    except Exception as error:
        text = "%s: %s" % (type(error).__name__, error)
    body = text.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
