"""The application of one.wsgi, in a script of its own."""
import os

with open(os.path.join(os.path.dirname(__file__), "one.wsgi")) as file:
    exec(compile(file.read(), __file__, "exec"))
