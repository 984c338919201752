"""Stands in for packaged applications: tells where it runs and what it was given."""
import json
import os
import pwd


def application(environ, start_response):
    body = json.dumps({
        "processGroup": environ["mod_wsgi.process_group"],
        "mainInterpreter": environ["mod_wsgi.application_group"] == "",
        "account": pwd.getpwuid(os.geteuid()).pw_name,
        "scriptName": environ["SCRIPT_NAME"],
        "pathInfo": environ["PATH_INFO"],
        "authorization": environ.get("HTTP_AUTHORIZATION", ""),
        "setting": environ.get("SITE_SETTING", ""),
    }).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
