"""Computes in processes of multiprocessing; the query is the start method."""
import json
import math
import multiprocessing
import os


def application(environ, start_response):
    context = multiprocessing.get_context(environ["QUERY_STRING"])
    process = context.Process(target=math.factorial, args=(5,))
    process.start()
    process.join()
    with context.Pool(2) as pool:
        numbers = pool.map(math.factorial, range(6))
        elsewhere = pool.apply(os.getpid) != os.getpid()
    answer = {"exit": process.exitcode, "numbers": numbers, "elsewhere": elsewhere}
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
