"""A Flask application: a template, a session, a file upload, a stream, an error."""
import hashlib

from flask import Flask, Response, abort, redirect, render_template_string, request, session, url_for

application = Flask("site")
application.secret_key = "for tests only"


@application.route("/hello/<name>")
def hello(name):
    return render_template_string("<p>Hello, {{ name }}!</p>", name=name)


@application.route("/visits")
def visits():
    session["visits"] = session.get("visits", 0) + 1
    return {"visits": session["visits"]}


@application.route("/upload", methods=["POST"])
def upload():
    data = request.files["file"].read()
    return {"name": request.files["file"].filename, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@application.route("/stream")
def stream():
    return Response(("line %d\n" % n for n in range(1000)), mimetype="text/plain")


@application.route("/away")
def away():
    return redirect(url_for("hello", name="again"))


@application.route("/teapot")
def teapot():
    abort(418)
