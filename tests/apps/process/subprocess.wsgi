"""Starts a program, and tells what it found: its signals and descriptors."""
import json
import re
import subprocess

import mod_wsgi

PROGRAM = "ls /proc/self/fd; cat; echo complaint >&2; exit 3"


def application(environ, start_response):
    done = subprocess.run(["/bin/sh", "-c", PROGRAM], input=b"fed\n", capture_output=True)
    # Without a shell: that changes what it passes on.
    status = subprocess.run(["/bin/cat", "/proc/self/status"], capture_output=True).stdout.decode()
    sleeper = subprocess.Popen(["/bin/sleep", "1000"])
    sleeper.terminate()
    answer = {
        "group": mod_wsgi.application_group,
        "status": done.returncode,
        "out": done.stdout.decode().split(),
        "err": done.stderr.decode(),
        "signals": dict(re.findall(r"^(Sig\w+):\t(\w+)$", status, re.M)),
        "terminated": sleeper.wait(),
    }
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
