"""For WSGIImportScript with WSGIRestrictSignal Off: counts a signal, in Python's main thread."""
import signal

count = 0


def on_signal(number, frame):
    global count
    count += 1


signal.signal(signal.SIGUSR2, on_signal)


def application(environ, start_response):
    if environ["QUERY_STRING"] == "raise":
        signal.raise_signal(signal.SIGUSR2)
    body = b"%d" % count
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
