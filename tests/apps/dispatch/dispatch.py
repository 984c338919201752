"""A dispatch script that does what the request's headers say; one that begins with '!' is an error to make."""


def chosen(environ, header):
    word = environ.get(header)
    if word == "!raise":
        raise ValueError("cannot choose")
    return {"!number": 7, "!empty": "", "!bytes": b"of-bytes"}.get(word, word)


def process_group(environ):
    return chosen(environ, "HTTP_X_PROCESS")


def application_group(environ):
    return chosen(environ, "HTTP_X_GROUP")


def callable_object(environ):
    return chosen(environ, "HTTP_X_CALLABLE")
