"""This file tells the Makefile about the Python that runs it: one line of key=value words, or one line that says why
mod_gowsgi cannot be built for it. Run it with -I -S."""
import os
import sys
import sysconfig

OLDEST = (3, 9)


def refuse(why):
    sys.exit("%s: cannot build for this Python: %s" % (sys.executable, why))


def loader_finds(directory):
    """Whether the dynamic loader looks into directory without being told to."""
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    defaults = [os.path.join(root, sub) for root in ("/lib", "/usr/lib") for sub in ("", multiarch)]
    defaults += ["/lib64", "/usr/lib64"]
    return os.path.realpath(directory) in {os.path.realpath(d) for d in defaults}


def main():
    version = "%d.%d" % sys.version_info[:2]
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        version += "t"  # another Python beside that of the same number, with another ABI
    if sys.version_info < OLDEST:
        refuse("it is %s, and %d.%d is the oldest supported" % (version, *OLDEST))
    if sys.implementation.name != "cpython":
        refuse("it is %s, not CPython" % sys.implementation.name)
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        refuse("it has no shared libpython (configure it with --enable-shared)")
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        refuse("it is a free-threaded build, and mod_gowsgi relies on the GIL; take one without --disable-gil")
    libdir = sysconfig.get_config_var("LIBDIR")
    soname = sysconfig.get_config_var("INSTSONAME")
    library = os.path.join(libdir, soname)
    if not os.path.exists(library):
        refuse("its library %s is missing" % library)
    pc_dir = sysconfig.get_config_var("LIBPC")
    ldversion = sysconfig.get_config_var("LDVERSION")
    files = {"pc": "python-%s.pc" % ldversion, "pc_embed": "python-%s-embed.pc" % ldversion}
    words = ["version=" + version]
    for key, name in files.items():
        path = os.path.join(pc_dir, name)
        if not os.path.exists(path):
            refuse("%s is missing (on Debian, install python%s-dev)" % (path, version))
        words.append("%s=%s" % (key, path))
    if loader_finds(libdir):
        words.append("library=" + soname)
    else:
        words += ["library=" + library, "rpath=" + libdir]
    print(" ".join(words))


main()
