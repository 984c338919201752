"""Entry points of several names and kinds."""


def answer(text):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [text]
    return application


class Instance:
    def __call__(self, environ, start_response):
        return answer(b"instance")(environ, start_response)


class Class:
    def __init__(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])

    def __iter__(self):
        return iter([b"class"])


application = answer(b"application")
other = answer(b"other")
instance = Instance()
