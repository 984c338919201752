"""Calls start_response with the arguments that the request's body is, as Python writes them, and answers the pieces after them:
(status, headers), kind, pieces."""


class Iterable:
    def __init__(self, pieces):
        self.pieces = pieces

    def __iter__(self):
        return iter(self.pieces)


class Sequence(Iterable):
    def __len__(self):
        return len(self.pieces)

    def __getitem__(self, index):
        return self.pieces[index]


KINDS = {
    "list": list,
    "tuple": tuple,
    "generator": lambda pieces: (piece for piece in pieces),
    "iterator": iter,
    "iterable": Iterable,
    "sequence": Sequence,
    "set": lambda pieces: dict.fromkeys(pieces),
    "subclass": type("List", (list,), {}),
    "itself": lambda pieces: pieces,
}


def application(environ, start_response):
    arguments, kind, pieces = eval(environ["wsgi.input"].read().decode())
    write = start_response(*arguments)
    if kind == "write":
        return [write(piece) for piece in pieces][:0]
    return KINDS[kind](pieces)
