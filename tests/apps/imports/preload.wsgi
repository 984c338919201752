"""For WSGIImportScript: leaves a mark in its interpreter, and tells the log."""
import sys
import threading

import mod_wsgi

sys.preloaded = getattr(sys, "preloaded", 0) + 1
on_main_thread = threading.current_thread() is threading.main_thread()
print("preload.wsgi in group '%s', main thread: %s" % (mod_wsgi.application_group, on_main_thread), file=sys.stderr)


def application(environ, start_response):
    body = b"%d" % sys.preloaded
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
