"""Two views that answer the same; one of them before and after the other, so that both are found as soon."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from django_authsignal.decorators import challenge_required


@login_required
def plain(request: HttpRequest) -> HttpResponse:
    """Django's own decorator."""
    return HttpResponse("ok")


@challenge_required("withdrawFunds")
def guarded(request: HttpRequest) -> HttpResponse:
    """Ours, with a fresh pass."""
    return HttpResponse("ok")


urlpatterns = [
    path("before/", plain),
    path("guarded/", guarded),
    path("after/", plain),
    path("authsignal/", include("django_authsignal.urls")),
]
