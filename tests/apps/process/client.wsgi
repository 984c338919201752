"""Is an HTTPS client of its own server: the query has the port and the certificate's file."""
import http.client
import ssl
from urllib.parse import parse_qs


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    context = ssl.create_default_context(cafile=query["ca"][0])
    connection = http.client.HTTPSConnection("localhost", int(query["port"][0]), context=context, timeout=20)
    connection.request("GET", "/hello")
    answer = connection.getresponse()
    body = b"%d %s" % (answer.status, answer.read())
    connection.close()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
