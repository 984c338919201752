"""A dispatch script that chooses the application group only."""


def application_group(environ):
    return "by-user-" + environ.get("REMOTE_USER", "nobody")
