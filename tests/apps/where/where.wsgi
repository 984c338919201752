"""Answers where the server thinks it is."""


def application(environ, start_response):
    names = ("SCRIPT_NAME", "PATH_INFO", "SCRIPT_FILENAME", "mod_wsgi.callable_object", "mod_wsgi.application_group", "HTTP_AUTHORIZATION")
    body = "".join("%s=%s\n" % (name, environ.get(name)) for name in names).encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


other = application
