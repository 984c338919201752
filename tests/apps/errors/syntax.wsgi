"""A script that is not Python."""
def application(environ, start_response)
    pass
