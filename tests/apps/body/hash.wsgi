"""Reads the body in pieces and answers its length, its SHA-256 and how large the process has ever been, in KiB."""
import hashlib
import resource


def application(environ, start_response):
    total, sha = 0, hashlib.sha256()
    for piece in iter(lambda: environ["wsgi.input"].read(65536), b""):
        total += len(piece)
        sha.update(piece)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%d %s %d" % (total, sha.hexdigest(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)).encode()]
