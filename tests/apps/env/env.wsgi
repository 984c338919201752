"""Answers its whole environ as JSON, and what it knows of where it runs."""
import json
import os
import sys

import apache
import mod_wsgi


def application(environ, start_response):
    texts = {name: value for name, value in environ.items() if isinstance(value, str)}
    others = {name: repr(value) for name, value in environ.items() if not isinstance(value, str)}
    facts = {
        "exact dict": repr(type(environ) is dict),
        "pid": str(os.getpid()),
        "module version": repr(mod_wsgi.version),
        "module process_group": mod_wsgi.process_group,
        "module application_group": mod_wsgi.application_group,
        "apache version": repr(apache.version),
        "argv": repr(sys.argv),
        "os.environ": json.dumps(dict(os.environ)),
        "same file_wrapper": repr(environ["wsgi.file_wrapper"] is mod_wsgi.FileWrapper),
        "errors name": environ["wsgi.errors"].name,
    }
    body = json.dumps({"texts": texts, "others": others, "facts": facts}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
