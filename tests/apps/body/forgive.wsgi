"""Reads the body and answers, whatever happens, which exception it got. Tells a test by a file, too."""
import os


def application(environ, start_response):
    got = 0
    try:
        while True:
            piece = environ["wsgi.input"].read(10)
            if not piece:
                raise EOFError("complete")
            got += len(piece)
    except Exception as error:
        caught = error
    try:
        again = "read %r" % environ["wsgi.input"].read()
    except Exception as error:
        again = type(error).__name__
    text = "%s: %s|%d|%s|%s" % (type(caught).__name__, caught, got, isinstance(caught, OSError), again)
    path = environ["QUERY_STRING"].partition("tell=")[2]
    if path:
        with open(path + ".new", "w") as file:
            file.write(text)
        os.rename(path + ".new", path)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]
