"""Writes until the client has gone, and says by the file `tell` which exception that was, and what another write() raises."""
import os


def application(environ, start_response):
    path = environ["QUERY_STRING"].partition("tell=")[2]
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    said = []
    for attempt in range(2):
        try:
            for _ in range(100_000):
                write(b"x" * 10_000)
        except Exception as error:
            said.append("%s %s" % (type(error).__name__, isinstance(error, OSError)))
    with open(path + ".new", "w") as file:
        file.write("|".join(said))
    os.rename(path + ".new", path)
    if "raise" in environ["QUERY_STRING"]:
        write(b"once more")
    return [b"the end"]
