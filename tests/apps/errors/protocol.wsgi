"""Breaks PEP 3333 in the way that the query string names."""


def application(environ, start_response):
    how = environ["QUERY_STRING"]
    if how == "never":
        return [b"body"]
    if how == "never-generator":
        return (piece for piece in [b"body"])
    write = start_response("200 OK", [])
    if how == "twice":
        start_response("201 Created", [])
    if how == "not-bytes":
        write("text")
    return {"nothing": None, "bytes": b"bytes"}[how]
