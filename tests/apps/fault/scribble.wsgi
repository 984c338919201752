"""Writes over all of the memory that the processes of a generation share."""

import ctypes


def application(environ, start_response):
    with open("/proc/self/maps") as maps:
        for line in maps:
            if "gowsgi-scoreboard" in line:
                first, last = (int(n, 16) for n in line.split()[0].split("-"))
                ctypes.memset(first, 0xFF, last - first)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]
