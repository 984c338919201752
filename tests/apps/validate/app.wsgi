"""An application that uses all that PEP 3333 offers, watched by wsgiref.validate on both sides."""
import wsgiref.validate


def inner(environ, start_response):
    stream, errors = environ["wsgi.input"], environ["wsgi.errors"]
    path = environ["PATH_INFO"]
    errors.write("validated\n")
    errors.writelines(["more\n"])
    errors.flush()
    headers = [("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    if path == "/read":
        body = stream.read(3) + stream.readline() + stream.readline(2) + b"".join(stream.readlines()) + stream.read(1)
        start_response("200 OK", headers + [("Content-Length", str(len(body)))])
        return [body]
    if path == "/iterate":
        start_response("200 OK", headers)
        return [line for line in stream]
    if path == "/write":
        write = start_response("200 OK", headers)
        write(b"written ")
        return [b"returned"]
    if path == "/generator":
        start_response("200 OK", headers)
        return (b"%d" % i for i in range(5))
    if path == "/replaced":
        start_response("200 OK", headers)
        try:
            raise ValueError
        except ValueError:
            import sys
            start_response("500 Replaced", headers, sys.exc_info())
        return [b"replaced"]
    if path == "/empty":
        start_response("204 No Content", [])
        return []
    if path == "/file":
        start_response("200 OK", headers)
        return environ["wsgi.file_wrapper"](open(environ["SCRIPT_FILENAME"], "rb"), 100)
    start_response("404 Not Found", headers)
    return [b"nothing here"]


application = wsgiref.validate.validator(inner)
