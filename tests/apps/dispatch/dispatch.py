"""A dispatch script that does what the request's headers say; a word that begins with '!' stands for something else."""


def chosen(environ, header):
    word = environ.get(header)
    if word == "!raise":
        raise ValueError("cannot choose")
    if word and word.startswith("!env:"):
        return environ.get(word[5:])
    return {"!number": 7, "!empty": "", "!bytes": b"of-bytes"}.get(word, word)


def process_group(environ):
    return chosen(environ, "HTTP_X_PROCESS")


def application_group(environ):
    return chosen(environ, "HTTP_X_GROUP")


def callable_object(environ):
    return chosen(environ, "HTTP_X_CALLABLE")
