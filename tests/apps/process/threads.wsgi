"""Has a thread of its own that works between requests, and one that is started by each request."""
import sys
import threading

import mod_wsgi

turns = 0
wanted = threading.Semaphore(0)
turned = threading.Semaphore(0)


def background():
    global turns
    while True:
        wanted.acquire()
        turns += 1
        print("background thread of group '%s'" % mod_wsgi.application_group, file=sys.stderr)
        turned.release()


threading.Thread(target=background, daemon=True).start()


def application(environ, start_response):
    found = []
    one = threading.Thread(target=lambda: found.append(mod_wsgi.application_group))
    one.start()
    one.join()
    wanted.release()
    turned.acquire()
    body = ("%s %d" % (found[0] or "main", turns)).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
