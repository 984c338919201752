"""Does not read the body. Answers n bytes, as the query string says."""


def application(environ, start_response):
    count = int(environ["QUERY_STRING"].partition("n=")[2] or 2)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(count))])
    return [b"x" * count]
