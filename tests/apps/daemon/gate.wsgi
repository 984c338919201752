"""Each request says that it is there, with a file named for the query in the folder GATE, and waits for the file `open` there, or
for `open-<query>`. The answer is its process and how many requests this process has run at once."""
import os
import threading
import time

lock = threading.Lock()
running = most = 0
PATIENCE = 60


def application(environ, start_response):
    global running, most
    folder, name = environ["GATE"], environ["QUERY_STRING"]
    with lock:
        running += 1
        most = max(most, running)
    with open(os.path.join(folder, "here-" + name), "w") as file:
        file.write(str(os.getpid()))
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and not any(os.path.exists(os.path.join(folder, key)) for key in ("open", "open-" + name)):
        time.sleep(0.01)
    with lock:
        running -= 1
    body = ("%d %d" % (os.getpid(), most)).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
