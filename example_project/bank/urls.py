"""Addresses of the bank's pages."""

from django.contrib.auth.views import LogoutView
from django.templatetags.static import static
from django.urls import path
from django.views.generic import RedirectView

from example_project.bank import views

urlpatterns = [
    path("", views.home, name="home"),
    path("sign-up/", views.sign_up, name="sign-up"),
    path("sign-in/", views.SignInView.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("account/", views.account, name="account"),
    path("account/withdraw/", views.withdraw, name="withdraw"),
    path("account/send/", views.send, name="send"),
    path("account/entries/<int:pk>/", views.receipt, name="receipt"),
    # Pages that name no icon, the admin's for one, ask here.
    path("favicon.ico", RedirectView.as_view(url=static("bank/mark.svg"))),
]
