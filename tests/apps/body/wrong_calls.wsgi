"""Calls wsgi.input as one must not, then reads the body."""
import threading

kept = []


def name_of(call, *args):
    try:
        return repr(call(*args))
    except Exception as error:
        return type(error).__name__


def application(environ, start_response):
    stream = environ["wsgi.input"]
    said = [name_of(stream.read, "x"), name_of(stream.read, 1, 2), name_of(stream.readline, 1.5), name_of(stream.readlines, b""),
            name_of(stream.read, 2 ** 70), name_of(stream.read, 0), name_of(stream.close)]
    if kept:
        said += [name_of(kept[0].read), name_of(kept[0].readline), name_of(next, kept[0]), name_of(kept[0].readlines)]
    kept[:] = [stream]
    thread = threading.Thread(target=lambda: said.append(name_of(stream.read)))
    thread.start()
    thread.join()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(said).encode()]
