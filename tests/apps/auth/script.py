"""A script with all functions of access control. application() tells how they were asked: it is the same module."""
import hashlib
import json

import mod_wsgi

PASSWORDS = {"ann": "secret", "bob": "buil:der", "nick": "name", "caf\xe9": "cr\xe8me", "both": "script"}
NAMES = {"nick": "ann"}
GROUPS = {"ann": ["staff", "admins"], "bob": (b"staff", "two words"), "caf\xe9": {"caf\xe9"}}

calls = []


def note(function, environ, *args):
    calls.append({
        "function": function,
        "args": args,
        "environ": {name: value if isinstance(value, (str, int, float)) else repr(value) for name, value in environ.items()},
        "group": mod_wsgi.application_group,
    })


def check_password(environ, user, password):
    note("check_password", environ, user, password)
    if user not in PASSWORDS:
        return None
    return PASSWORDS[user] == password and NAMES.get(user, True)


def get_realm_hash(environ, user, realm):
    note("get_realm_hash", environ, user, realm)
    if user not in PASSWORDS:
        return None
    text = hashlib.md5(("%s:%s:%s" % (user, realm, PASSWORDS[user])).encode("latin-1")).hexdigest()
    return {"ann": text, "bob": text.encode(), "nick": text.upper()}.get(user, text)


def groups_for_user(environ, user):
    note("groups_for_user", environ, user)
    return (group for group in GROUPS.get(user, ()))


def allow_access(environ, host):
    note("allow_access", environ, host)
    return {"yes": True, "no": False, None: None}[environ.get("HTTP_X_ACCESS")]


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    told = {"user": environ.get("REMOTE_USER"), "auth_type": environ.get("AUTH_TYPE"), "calls": calls}
    return [json.dumps(told).encode()]
