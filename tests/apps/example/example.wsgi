"""What `make run` serves: a whole Django site in one file. It shows where it runs, counts visits in a session, and lists
the WSGI environ. Without Django, a plain WSGI application answers."""
import os
import sys
import threading

try:
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import path
    from django.utils.html import format_html, format_html_join
except ImportError:
    django = None


def facts(environ):
    return [
        ("Python", sys.version.split()[0]),
        ("Django", django.get_version() if django else "not installed"),
        ("process", os.getpid()),
        ("thread", threading.current_thread().name),
        ("process group", environ.get("mod_wsgi.process_group") or "embedded in httpd"),
        ("application group", environ.get("mod_wsgi.application_group") or "the main interpreter"),
    ]


def page(title, rows):
    return format_html(
        "<!doctype html><title>{}</title><h1>{}</h1><table>{}</table>"
        '<p><a href="/">home</a> <a href="/environ">environ</a></p>',
        title, title, format_html_join("\n", "<tr><th align=left>{}<td>{}", rows))


def home(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    rows = facts(request.META) + [("your visits", request.session["visits"])]
    return HttpResponse(page("It works: Django inside of Apache httpd", rows))


def show_environ(request):
    return HttpResponse(page("environ", sorted((name, repr(value)) for name, value in request.META.items())))


def plain(environ, start_response):
    text = "".join("%s: %s\n" % fact for fact in [("It works", "WSGI inside of Apache httpd")] + facts(environ))
    body = text.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


if django:
    urlpatterns = [path("", home), path("environ", show_environ)]
if django and not settings.configured:  # it is, when a changed script is loaded again
    settings.configure(
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        # Made anew with each start: enough for sessions that live as long as the server.
        SECRET_KEY=os.environ.get("EXAMPLE_SECRET_KEY") or os.urandom(32).hex(),
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    )
application = get_wsgi_application() if django else plain
