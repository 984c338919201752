"""An iterable that says by the file `tell` that close() was called, how often, and how many pieces it was asked for."""
import os
import urllib.parse


class Pieces:
    def __init__(self, names):
        self.names, self.count, self.closes = names, 0, 0

    def __iter__(self):
        return self

    def __next__(self):
        self.count += 1
        if self.count > int(self.names.get("n", 1)):
            raise StopIteration
        if str(self.count) == self.names.get("raise"):
            raise RuntimeError("raised by piece")
        if str(self.count) == self.names.get("text"):
            return "text"
        return b"x" * int(self.names.get("size", 5))

    def close(self):
        self.closes += 1
        with open(self.names["tell"] + ".new", "w") as file:
            file.write("%d %d" % (self.closes, self.count))
        os.rename(self.names["tell"] + ".new", self.names["tell"])
        if "fail" in self.names:
            raise RuntimeError("raised by close")


def application(environ, start_response):
    names = dict(urllib.parse.parse_qsl(environ["QUERY_STRING"]))
    start_response(names.get("status", "200 OK"), [("Content-Length", names["length"])] if "length" in names else [])
    return Pieces(names)
