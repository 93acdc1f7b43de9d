"""An urlconf of its own."""

from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("one/", lambda request: HttpResponse("one"), name="one")]
