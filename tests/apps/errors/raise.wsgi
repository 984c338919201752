"""Raises where the query string says: before the response began, or after its first piece."""


def pieces(where):
    if where == "first":
        raise RuntimeError("raised first")
    yield b"piece\n"
    if where == "after":
        raise RuntimeError("raised after")


def application(environ, start_response):
    where = environ["QUERY_STRING"]
    if where == "before":
        raise RuntimeError("raised before")
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-From", "application")])
    if where == "stated":
        raise RuntimeError("raised stated")
    return pieces(where)
