"""Two applications that tell which of them answered, and where."""
import json


def answer(name, environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({
        "callable": name,
        "process": environ["mod_wsgi.process_group"],
        "group": environ["mod_wsgi.application_group"],
    }).encode()]


def application(environ, start_response):
    return answer("application", environ, start_response)


def other(environ, start_response):
    return answer("other", environ, start_response)
