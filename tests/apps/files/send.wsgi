"""Answers a file through wsgi.file_wrapper. The query string says which, of what kind, from where on, and with which length stated;
the file's close() leaves the file `tell`."""
import io
import os
import urllib.parse


class Telling:
    """A file that says when it is closed."""

    def __init__(self, file, tell_path):
        self.file, self.read, self.tell_path = file, file.read, tell_path

    def close(self):
        self.file.close()
        open(self.tell_path, "w").close()


class OnlyRead:
    def __init__(self, data):
        self.read = io.BytesIO(data).read


class Reverse:
    """A file-like object with the descriptor of one file that reads as another."""
    def __init__(self, path):
        self.read, self.file = io.BytesIO(b"read").read, open(path, "rb")

    def fileno(self):
        return self.file.fileno()

    def close(self):
        self.file.close()


def pipe(data):
    ends = os.pipe()
    os.write(ends[1], data)
    os.close(ends[1])
    return open(ends[0], "rb")


def make(names):
    path, kind = names["path"], names.get("kind", "file")
    data = lambda: open(path, "rb").read()
    return {"file": lambda: open(path, "rb"), "raw": lambda: open(path, "rb", buffering=0), "update": lambda: open(path, "r+b"),
            "memory": lambda: io.BytesIO(data()), "only-read": lambda: OnlyRead(data()), "pipe": lambda: pipe(data()),
            "text": lambda: open(path), "reverse": lambda: Reverse(path)}[kind]()


def application(environ, start_response):
    names = dict(urllib.parse.parse_qsl(environ["QUERY_STRING"]))
    file = make(names)
    if "offset" in names:
        file.seek(int(names["offset"]))
    if "skip" in names:
        file.read(int(names["skip"]))
    if "tell" in names:
        file = Telling(file, names["tell"])
    headers = [("Content-Type", "application/octet-stream"), ("ETag", '"tag"')]
    if "length" in names:
        headers.append(("Content-Length", names["length"]))
    write = start_response(names.get("status", "200") + " Status", headers)
    if "write" in names:
        write(b"written ")
    wrapper = environ["wsgi.file_wrapper"]
    if "subclass" in names:
        wrapper = type("Wrapper", (wrapper,), {})
    result = wrapper(file, int(names["block"])) if "block" in names else wrapper(file)
    return (piece for piece in result) if "iterated" in names else result
