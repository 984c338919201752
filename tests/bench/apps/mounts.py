# This file serves all scripts of this folder as one application, each at its name, for servers that know only one.
import os
import runpy

FOLDER = os.path.dirname(os.path.abspath(__file__))
applications = {}


def load(name):
    return runpy.run_path(os.path.join(FOLDER, name + ".wsgi"))["application"]


def application(environ, start_response):
    _, name, *rest = environ["PATH_INFO"].split("/", 2)
    found = applications.get(name)
    if found is None:
        found = applications.setdefault(name, load(name))
    environ["SCRIPT_NAME"] += "/" + name
    environ["PATH_INFO"] = "/" + rest[0] if rest else ""
    return found(environ, start_response)
