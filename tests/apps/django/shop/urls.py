from django.contrib import admin
from django.urls import path

from shop import views

urlpatterns = [
    path("", views.home),
    path("setup", views.setup),
    path("upload", views.upload),
    path("stream", views.stream),
    path("broken", views.broken),
    path("admin/", admin.site.urls),
]
