"""Starts a program in each way that there is, and tells the signals that it found blocked and ignored, and how SIGTERM ended one."""
import ctypes
import json
import os
import re
import subprocess
import tempfile

import mod_wsgi

STATUS = ["/bin/cat", "/proc/self/status"]


def popen(**options):
    return lambda out: subprocess.Popen(STATUS, stdout=out, **options).wait()


def posix_spawn(function):
    def start(out):
        pid = function(STATUS[0], STATUS, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1)])
        os.waitpid(pid, 0)

    return start


def system(out):
    assert os.waitstatus_to_exitcode(os.system("cat /proc/self/status > %s; exit 7" % out.name)) == 7


def os_popen(out):
    with os.popen(" ".join(STATUS)) as pipe:
        out.write(pipe.read().encode())
    out.flush()


def c_fork(out):
    """What an extension module does that forks and executes a program, without a word to Python."""
    libc = ctypes.PyDLL(None)
    argv = (ctypes.c_char_p * 3)(*[word.encode() for word in STATUS], None)
    pid = libc.fork()
    if pid == 0:
        libc.dup2(out.fileno(), 1)
        libc.execv(STATUS[0].encode(), argv)
        libc._exit(1)
    os.waitpid(pid, 0)


WAYS = {
    "Popen": popen(), "Popen close_fds=False": popen(close_fds=False),
    "Popen shell": lambda out: subprocess.Popen(" ".join(STATUS), shell=True, stdout=out).wait(),
    "Popen start_new_session": popen(start_new_session=True), "posix_spawn": posix_spawn(os.posix_spawn),
    "posix_spawnp": posix_spawn(os.posix_spawnp), "system": system, "popen": os_popen, "fork in C": c_fork,
}


def signals(way):
    with tempfile.NamedTemporaryFile() as out:
        way(out)
        with open(out.name) as again:
            return dict(re.findall(r"^(SigBlk|SigIgn):\t(\w+)$", again.read(), re.M))


def terminated(**options):
    sleeper = subprocess.Popen(["/bin/sleep", "1000"], **options)
    sleeper.terminate()
    try:
        return sleeper.wait(10)
    except subprocess.TimeoutExpired:
        sleeper.kill()
        return sleeper.wait()


def application(environ, start_response):
    answer = {
        "group": mod_wsgi.application_group,
        "signals": {name: signals(way) for name, way in WAYS.items()},
        "terminated": [terminated(), terminated(close_fds=False)],
    }
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
