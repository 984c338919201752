"""A script whose functions answer what they must not. The user's name, or the header X-Access, chooses."""


class Broken:
    def __iter__(self):
        yield "staff"
        raise LookupError("no more groups")


def fork():
    import os
    if os.fork() == 0:
        return True  # the child must not answer the request
    os.wait()
    return None


ANSWERS = {
    "one": lambda: 1,
    "zero": lambda: 0,
    "empty": lambda: "",
    "wide": lambda: "\u0142",
    "control": lambda: "ann\0x",
    "bytes": lambda: b"ann",
    "none": lambda: None,
    "list": lambda: ["ann"],
    "text": lambda: "staff",
    "numbers": lambda: ["staff", 1],
    "widelist": lambda: ["\u0142", "staff"],
    "endless": lambda: iter(lambda: "staff" * 1000, None),
    "broken": lambda: Broken(),
    "raises": lambda: 1 / 0,
    "exits": lambda: exit(0),
    "short": lambda: "0123456789abcdef",
    "nothex": lambda: "g" * 32,
    "true": lambda: True,
    "fork": fork,
}


def check_password(environ, user, password):
    return ANSWERS[user]()


def get_realm_hash(environ, user, realm):
    return ANSWERS[user]()


def groups_for_user(environ, user):
    return ANSWERS[user]()


def allow_access(environ, host):
    return ANSWERS[environ["HTTP_X_ACCESS"]]()
