"""The matrix' site."""

from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.contrib.staticfiles.views import serve
from django.urls import include, path, re_path

from . import views

urlpatterns = [
    path("authsignal/", include("django_authsignal.urls")),
    path("enter/<name>/", views.enter),
    path("leave/", views.leave),
    path("page/", views.page),
    path("do/sensitive/", views.sensitive),
    path("do/bound/", views.bound),
    path("do/<operation>/", views.do),
    re_path(r"^static/(?P<path>.*)$", serve, {"insecure": True}),
    *staticfiles_urlpatterns(),
]
