# This file runs once in each new interpreter, before any application. It has three names from C: `mod_wsgi`, the module that
# applications can import; `settings`, what the server is; and `stderr`, the stream into the error log.
import functools
import io
import os
import signal
import site
import sys
import threading  # here, so that the thread that made the interpreter is its main thread, not the first that an application starts
import traceback
import types

WARNING = 4


class FileWrapper:
    """wsgi.file_wrapper (PEP 3333). The server sends a regular file itself; anything else is read in blocks."""

    def __init__(self, filelike, blksize=8192):
        self.filelike = filelike
        self.blksize = blksize
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self):
        return self

    def __next__(self):
        data = self.filelike.read(self.blksize)
        if data:
            return data
        raise StopIteration


def file_place(filelike):
    """The descriptor and position of a file, if what filelike.read() gives is that file's own bytes; None otherwise. fileno()
    alone does not tell: a gzip.GzipFile has one. The wrappers of tempfile and Django lead to the file by their read()."""
    read = filelike.read
    file = raw = getattr(getattr(read, "__wrapped__", read), "__self__", None)
    if type(file) is io.BufferedRandom:
        file.flush()
    if type(file) in (io.BufferedReader, io.BufferedRandom):
        raw = file.raw
    if type(raw) is io.FileIO:
        return raw.fileno(), file.tell()
    return None


class Restricted:
    """Stands for sys.stdin or sys.stdout where the server restricts it. What moves no data is harmless: libraries look which methods there are
    and whether they talk to a terminal, and flush or close what they were given, also in finalizers. io.UnsupportedOperation is an OSError and a ValueError,
    which is what the standard library expects of a stream that cannot be used."""

    closed = False
    encoding = "utf-8"
    errors = "backslashreplace"
    newlines = None
    line_buffering = write_through = False

    def __init__(self, name, mode, directive):
        self.__dict__.update(name="<%s>" % name, mode=mode, _name="sys." + name, _directive=directive)

    @property
    def buffer(self):
        return self

    def _no(self):
        return False

    def _nothing(self, *args, **kwargs):
        return None

    isatty = readable = writable = seekable = _no
    flush = close = reconfigure = _nothing

    def _refuse(self, *args, **kwargs):
        raise io.UnsupportedOperation(
            "%s is restricted in a WSGI application; '%s Off' lifts it" % (self._name, self._directive))

    read = readinto = readline = readlines = write = writelines = __iter__ = __next__ = _refuse
    fileno = detach = seek = tell = truncate = __setattr__ = _refuse

    def __repr__(self):
        return "<%s, restricted by %s>" % (self._name, self._directive)


def restrict_signal():
    """Registrations of signal handlers are ignored in the server process and said in the log; a child process that the
    application forked has its own signals."""
    register = signal.signal
    server = os.getpid()

    def ignore(signalnum, handler):
        if os.getpid() != server:
            return register(signalnum, handler)
        where = traceback.extract_stack(limit=2)[0]
        mod_wsgi._log(WARNING, "GWSGI0701: ignored the registration of a handler for signal %d at %s:%d (application group '%s'): "
                      "the server needs its signals; 'WSGIRestrictSignal Off' lifts this"
                      % (signalnum, where.filename, where.lineno, mod_wsgi.application_group))
        return signal.getsignal(signalnum)

    ignore.__name__ = ignore.__qualname__ = "signal"
    ignore.__doc__ = register.__doc__
    signal.signal = ignore


def refuse_fork(name):
    """Without us, CPython lets the parent go on and aborts the child."""
    def refuse():
        raise RuntimeError(
            "os.%s() does not work in a sub-interpreter of this Python (application group '%s'): set 'WSGIApplicationGroup %%{GLOBAL}' for this "
            "application; subprocess, and multiprocessing with the start method 'spawn', work in any" % (name, mod_wsgi.application_group))

    refuse.__name__ = refuse.__qualname__ = name
    setattr(os, name, refuse)


def repair_main_thread():
    """To the module threading, a thread of the server is a dummy. In a child that forked from it, it is the main thread, and before
    Python 3.12 it lacked what threading._shutdown(), which ends each child of multiprocessing, asserts of one."""
    main = threading.main_thread()
    if isinstance(main, getattr(threading, "_DummyThread", ())) and getattr(main, "_tstate_lock", main) is None:
        main._set_tstate_lock()


def forget_server_signals():
    """A child that forked is no server: what the server does at its signals is not for it. Handlers of the application stay."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGWINCH):
        if not callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)


# ---- Programs that the application starts ----
#
# A program inherits the signal mask of the thread that starts it, and the server's threads block nearly all signals. Where Python
# forks, the mask is cleared in the child (thread.c). vfork() and posix_spawn() give no opportunity for that.

def without_vfork(start):
    """_posixsubprocess.fork_exec, which prefers vfork() from Python 3.10 on."""
    if sys.version_info < (3, 10):
        return start
    if (3, 11) <= sys.version_info < (3, 14):  # the last argument allows vfork()
        return lambda *args: start(*args[:-1], False)
    # It can only be kept from it by a wish to change the group, so that is changed to what it is.
    at = 16 if sys.version_info < (3, 11) else 17
    return lambda *args: start(*args[:at], os.getgid() if args[at] is None else args[at], *args[at + 1:])


def with_clear_mask(start):
    """os.posix_spawn and posix_spawnp, which subprocess uses as well."""
    @functools.wraps(start)
    def spawn(*args, setsigmask=(), **kwargs):
        return start(*args, setsigmask=setsigmask, **kwargs)

    return spawn


def system(command):
    """os.system(), whose C function would pass the mask on."""
    shell = os.posix_spawn("/bin/sh", ["sh", "-c", command], os.environ)
    return os.waitpid(shell, 0)[1]


def free_signals_of_programs():
    os.posix_spawn, os.posix_spawnp = with_clear_mask(os.posix_spawn), with_clear_mask(os.posix_spawnp)
    os.system = system
    try:
        import _posixsubprocess
    except ImportError:  # it is no one's but subprocess's
        return
    fork_exec = _posixsubprocess.fork_exec = without_vfork(_posixsubprocess.fork_exec)
    subprocess = sys.modules.get("subprocess")
    if hasattr(subprocess, "_fork_exec"):  # a .pth file has imported it, and it keeps the function itself from Python 3.11 on
        subprocess._fork_exec = fork_exec


def publish_modules():
    mod_wsgi.version = settings["version"]
    mod_wsgi.process_group = settings["process_group"]
    mod_wsgi.application_group = settings["application_group"]
    mod_wsgi.maximum_processes = settings["processes"]
    mod_wsgi.threads_per_process = settings["threads"]
    mod_wsgi.FileWrapper = FileWrapper
    FileWrapper.__module__ = "mod_wsgi"

    apache = types.ModuleType("apache", "The server that runs this process.")
    apache.version = settings["apache_version"]
    apache.description = settings["apache_description"]
    apache.mpm_name = settings["apache_mpm"]
    apache.build_date = settings["apache_build_date"]
    apache.maximum_processes = settings["processes"]
    apache.threads_per_process = settings["threads"]
    sys.modules["apache"] = apache


def set_streams():
    sys.stderr = stderr
    sys.stdout = Restricted("stdout", "w", "WSGIRestrictStdout") if settings["restrict_stdout"] else stderr
    if settings["restrict_stdin"]:
        sys.stdin = Restricted("stdin", "r", "WSGIRestrictStdin")
    sys.argv = ["mod_wsgi"]


def extend_path():
    # In the order given, at the end of sys.path; .pth files in the directories are read. The folder that home= names comes
    # first, as that of a program does which is started by hand.
    for directory in (settings["python_path"] or "").split(os.pathsep):
        if directory:
            site.addsitedir(directory)
    if settings["home"]:
        sys.path.insert(0, settings["home"])


if settings["application_group"] == "":
    # This is Python's main thread. The module takes the thread that imports it for the main one, and waits for it at the end.
    import threading  # noqa: F401

if settings["application_group"] == "" and settings["switch_interval"]:
    sys.setswitchinterval(settings["switch_interval"])  # all interpreters of a process have one

publish_modules()
set_streams()
if settings["restrict_signal"]:
    restrict_signal()
free_signals_of_programs()
os.register_at_fork(after_in_child=repair_main_thread)
os.register_at_fork(after_in_child=forget_server_signals)
if not settings["can_fork"]:
    refuse_fork("fork")
    refuse_fork("forkpty")
extend_path()

# What every request's environ has in this interpreter.
environ = {
    "wsgi.version": (1, 0),
    "wsgi.multithread": settings["multithread"],
    "wsgi.multiprocess": settings["multiprocess"],
    "wsgi.run_once": settings["run_once"],
    "wsgi.input_terminated": True,
    "wsgi.file_wrapper": FileWrapper,
    "apache.version": settings["apache_version"],
    "mod_wsgi.version": settings["version"],
    "mod_wsgi.python": sys.version.split()[0],
    "mod_wsgi.process_group": settings["process_group"],
    "mod_wsgi.application_group": settings["application_group"],
    "mod_wsgi.queue_start": 0.0,
    "mod_wsgi.daemon_start": 0.0,
}
