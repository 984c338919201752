"""Yields the numbers below n of the query string, one at a time, with no length stated."""


def application(environ, start_response):
    count = int(environ["QUERY_STRING"].partition("n=")[2])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return (b"%d " % i for i in range(count))
