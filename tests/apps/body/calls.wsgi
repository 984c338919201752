"""Reads the body by the calls that the query string lists ("read:5,readline,next") and then to its end. Answers what was read, and
for each call whether it returned what the same call of a BytesIO with that body does."""
import io
import json


def run(stream, call):
    name, _, argument = call.partition(":")
    if name == "next":
        return [next(stream, b"")]
    if name == "iterate":
        return list(stream)
    result = getattr(stream, name)(*([None if argument == "None" else int(argument)] if argument else []))
    return result if isinstance(result, list) else [result]


def application(environ, start_response):
    calls = environ["QUERY_STRING"].split(",") + ["read"]
    results = [run(environ["wsgi.input"], call) for call in calls]
    body = b"".join(b"".join(result) for result in results)
    twin = io.BytesIO(body)
    wrong = []
    for call, result in zip(calls, results):
        expected = run(twin, call)
        if result != expected:
            wrong.append("%s: %d pieces, not %d: %.200r, not %.200r" % (call, len(result), len(expected), result, expected))
    more = [environ["wsgi.input"].read(), environ["wsgi.input"].read(1), environ["wsgi.input"].readline()]
    answer = {"body": body.decode("latin-1"), "wrong": wrong, "types": sorted({type(p).__name__ for r in results for p in r}),
              "after the end": [piece.decode("latin-1") for piece in more] + [len(environ["wsgi.input"].readlines())]}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
