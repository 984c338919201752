# This file is a whole Django project: settings, one view, and a page from two templates with a loop and filters.
import datetime

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.shortcuts import render
from django.urls import path

BASE = """<!DOCTYPE html>
<html><head><title>{% block title %}{% endblock %}</title></head>
<body>{% block content %}{% endblock %}<footer>{{ now|date:"Y-m-d" }}</footer></body></html>
"""

PAGE = """{% extends "base.html" %}
{% block title %}{{ title|title }}{% endblock %}
{% block content %}
<h1>{{ title|title }}</h1>
<table>
{% for item in items %}
<tr class="{% cycle 'odd' 'even' %}">
<td>{{ forloop.counter }}</td><td><a href="{% url 'page' %}?item={{ item.name|urlencode }}">{{ item.name }}</a></td>
<td>{{ item.price|floatformat:2 }}</td><td>{% if item.stock %}{{ item.stock }} in stock{% else %}sold out{% endif %}</td>
</tr>
{% endfor %}
</table>
{% endblock %}
"""

ITEMS = [{"name": "item <%d>" % n, "price": n * 1.25, "stock": n % 4} for n in range(40)]


def page(request):
    return render(request, "page.html", {"title": "items on the shelf", "items": ITEMS, "now": datetime.date(2024, 1, 1)})


class Urls:
    """The URL configuration: Django takes any hashable object that has urlpatterns."""

    urlpatterns = [path("", page, name="page")]


settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    SECRET_KEY="bench",
    ROOT_URLCONF=Urls,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    (
                        "django.template.loaders.cached.Loader",
                        [("django.template.loaders.locmem.Loader", {"base.html": BASE, "page.html": PAGE})],
                    )
                ],
                "context_processors": ["django.template.context_processors.request"],
            },
        }
    ],
)
django.setup()
application = get_wsgi_application()
