# This file is an application that hands a real file of 100 MiB to wsgi.file_wrapper.
import os

PATH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "htdocs", "file")


def application(environ, start_response):
    stream = open(PATH, "rb")
    size = os.fstat(stream.fileno()).st_size
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(size))])
    return environ["wsgi.file_wrapper"](stream)
