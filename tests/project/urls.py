"""The views that tests ask the gate through."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from . import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("authsignal/", include("django_authsignal.urls")),
    path("login/", LoginView.as_view(template_name="admin/login.html"), name="login"),
    path("own-login/", views.OwnLoginView.as_view(), name="own-login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("home/", views.home, name="home"),
    path("withdraw/", views.withdraw, name="withdraw"),
    path("async/withdraw/", views.withdraw_async, name="withdraw-async"),
    path("transfer/", views.Transfer.as_view(), name="transfer"),
    path("pay/", views.pay, name="pay"),
    path("async/pay/", views.pay_async, name="pay-async"),
    path("delete/", views.delete, name="delete"),
    path("async/delete/", views.delete_async, name="delete-async"),
    path("members/", views.members, name="members"),
    path("async/members/", views.members_async, name="members-async"),
    path("deep/", views.deep, name="deep"),
    path("async/deep/", views.deep_async, name="deep-async"),
    path("deep-twice/", views.deep_twice, name="deep-twice"),
    path("deep-callable/", views.deep_callable, name="deep-callable"),
    path("inner-csrf/", views.inner_csrf, name="inner-csrf"),
    path("exempt/", views.exempt, name="exempt"),
    path("unmarked/", views.unmarked, name="unmarked"),
]
