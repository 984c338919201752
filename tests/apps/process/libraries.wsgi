"""Uses modules of the standard library that are written in C, and tells how the server's process handles signals."""
import ctypes
import decimal
import json
import os
import re
import sqlite3


def sum_by_sqlite():
    with sqlite3.connect(":memory:") as database:
        database.create_function("twice", 1, lambda n: 2 * n)
        database.execute("create table t (n integer)")
        database.executemany("insert into t values (?)", [(n,) for n in range(100)])
        return database.execute("select sum(twice(n)) from t").fetchone()[0]


def sort_by_libc():
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    numbers = (ctypes.c_int * 5)(5, 3, 1, 4, 2)
    ctypes.CDLL(None).qsort(numbers, 5, ctypes.sizeof(ctypes.c_int), compare(lambda a, b: a[0] - b[0]))
    return list(numbers)


def divide():
    with decimal.localcontext() as context:
        context.prec = 30
        return str(decimal.Decimal(1) / 7)


def application(environ, start_response):
    with open("/proc/thread-self/status") as file:
        signals = dict(re.findall(r"^(Sig\w+):\t(\w+)$", file.read(), re.M))
    answer = {"sqlite": sum_by_sqlite(), "ctypes": sort_by_libc(), "decimal": divide(), "signals": signals, "pid": os.getpid()}
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
