"""Raises what would end a program."""
import sys


def exits(code):
    sys.exit(code)
    yield b""


def application(environ, start_response):
    if environ["QUERY_STRING"] == "call":
        sys.exit(3)
    start_response("200 OK", [])
    if environ["QUERY_STRING"] == "interrupt":
        raise KeyboardInterrupt("interrupted")
    return exits(4)
