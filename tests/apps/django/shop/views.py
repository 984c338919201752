import hashlib
import io

from django.contrib.auth.models import User
from django.core.management import call_command
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.template import engines
from django.views.decorators.csrf import csrf_exempt

FORM = """<form method="post" enctype="multipart/form-data">{% csrf_token %}<input type="file" name="file"></form>"""


def home(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"], "user": request.user.get_username()})


@csrf_exempt
def setup(request):
    """What `manage.py migrate` and `manage.py createsuperuser` do."""
    call_command("migrate", verbosity=0, interactive=False, stdout=io.StringIO())
    User.objects.create_superuser("admin", "admin@example.com", "open sesame")
    return HttpResponse("ready")


def upload(request):
    if request.method == "GET":
        return HttpResponse(engines["django"].from_string(FORM).render(request=request))
    sent = request.FILES["file"]
    digest = hashlib.sha256()
    for chunk in sent.chunks():
        digest.update(chunk)
    return JsonResponse({"name": sent.name, "size": sent.size, "kind": type(sent).__name__, "sha256": digest.hexdigest()})


def stream(request):
    return StreamingHttpResponse(("line %d\n" % n for n in range(1000)), content_type="text/plain")


def broken(request):
    raise LookupError("a view that fails")
