"""Answers the numbers of its process."""
import json
import os

import mod_wsgi


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(dict(mod_wsgi.counters(), pid=os.getpid())).encode()]
