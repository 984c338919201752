"""Writes to wsgi.errors and to sys.stderr as the query string says."""
import logging
import sys
import threading

kept = []


def application(environ, start_response):
    errors = environ["wsgi.errors"]
    how = environ["QUERY_STRING"]
    if how == "lines":
        errors.write("one line\ntwo ")
        errors.write("lines\n\nafter an empty one\n")
        errors.writelines(["a", " list\n", "of lines\n"])
        print("printed", "words", file=errors)
        print("printed to stderr", file=sys.stderr)
        errors.write("without an end")
    elif how == "flush":
        errors.write("flushed")
        errors.flush()
        errors.write(" apart\n")
    elif how == "unicode":
        errors.write("caf\u00e9 \u20ac \U0001f600\n")
        errors.write("lone \udcff surrogate\n")
        errors.write("control \x07\x1b[31m\r tab\t\n")
    elif how == "long":
        errors.write("long " + "0123456789" * 2000 + "\n")
    elif how == "wrong":
        errors.write("raised %s\n" % [raised(errors.write, 1), raised(errors.write, None), raised(errors.fileno)])
    elif how == "logging":
        handler = logging.StreamHandler()
        logger = logging.getLogger("app")
        logger.addHandler(handler)
        logger.warning("from the logging module")
        logger.removeHandler(handler)
    elif how == "thread":
        thread = threading.Thread(target=lambda: (errors.write("by a thread\n"), print("stderr of a thread", file=sys.stderr)))
        thread.start()
        thread.join()
    elif how == "keep":
        kept.append(errors)
    elif how == "kept":
        kept[0].write("after its request\n")
    start_response("200 OK", [])
    return [b"done"]


def raised(call, *args):
    try:
        call(*args)
    except Exception as error:
        return type(error).__name__
