"""Answers as the query says: `status`, and how the body comes: from a list, a generator, write(), or a file. The path `document`
is for ErrorDocument: it says what httpd tells it."""
import tempfile
import urllib.parse

BODY = b"of the application"


def pieces(names):
    yield BODY
    if "raise" in names:
        raise RuntimeError("raised behind the status")
    yield BODY


def application(environ, start_response):
    names = dict(urllib.parse.parse_qsl(environ["QUERY_STRING"]))
    if environ["PATH_INFO"] == "/document":
        start_response("%s Changed" % environ["REDIRECT_STATUS"], [("Content-Type", "text/plain")])
        return [b"document for ", environ["REDIRECT_STATUS"].encode(), b" by ", environ["REQUEST_METHOD"].encode()]
    write = start_response(names["status"], [
        ("Content-Type", "text/x-own"), ("X-Own", "1"), ("Set-Cookie", "own=1"), ("Retry-After", "120"),
        ("WWW-Authenticate", 'Basic realm="one"'), ("WWW-Authenticate", 'Bearer realm="two"')])
    kind = names.get("kind", "list")
    if kind == "list":
        return [BODY]
    if kind == "write":
        write(BODY)
        return [BODY]
    if kind == "file":
        file = tempfile.TemporaryFile()
        file.write(BODY)
        file.seek(0)
        return environ["wsgi.file_wrapper"](file)
    return pieces(names)
