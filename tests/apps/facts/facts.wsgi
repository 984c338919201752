"""Tells about the Python that runs it. The modules that the query names are imported, for their `value`."""
import json
import os
import sys


def documented():
    """A docstring."""


def asserts():
    try:
        assert False
    except AssertionError:
        return True
    return False


def application(environ, start_response):
    names = [name for name in environ["QUERY_STRING"].split(",") if name]
    answer = {
        "version": "%d.%d" % sys.version_info[:2],
        "executable": sys.executable,
        "prefix": sys.prefix,
        "exec_prefix": sys.exec_prefix,
        "path": sys.path,
        "optimize": sys.flags.optimize,
        "asserts": asserts(),
        "docstring": documented.__doc__,
        "eggs": os.environ.get("PYTHON_EGG_CACHE"),
        "bytecode": not sys.dont_write_bytecode,
        "hash": hash("text"),
        "warnings": sys.warnoptions,
        "interval": sys.getswitchinterval(),
        "variables": [name for name in os.environ if name.startswith("PYTHON")],
        "pid": os.getpid(),
        "parent": os.getppid(),
        "values": {name: __import__(name).value for name in names},
    }
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
