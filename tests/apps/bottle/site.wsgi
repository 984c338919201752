"""A Bottle application: a template, a cookie, a file upload, a static file, an error."""
import hashlib
import os

import bottle

application = bottle.Bottle()


@application.get("/hello/<name>")
def hello(name):
    return bottle.template("<p>Hello, {{name}}!</p>", name=name)


@application.get("/visits")
def visits():
    count = int(bottle.request.get_cookie("visits", "0", secret="for tests only")) + 1
    bottle.response.set_cookie("visits", str(count), secret="for tests only")
    return {"visits": count}


@application.post("/upload")
def upload():
    sent = bottle.request.files["file"]
    data = sent.file.read()
    return {"name": sent.raw_filename, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@application.get("/source")
def source():
    return bottle.static_file(os.path.basename(__file__), root=os.path.dirname(__file__), mimetype="text/plain")


@application.get("/teapot")
def teapot():
    bottle.abort(418, "short and stout")
