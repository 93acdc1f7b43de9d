"""Who comes: a browser with a session, or a client with a header. Each asks a door, and proves what it is asked."""

import base64

from django.contrib.auth.models import Group
from knox.models import AuthToken
from rest_framework.authtoken.models import Token
from rest_framework_simplejwt.tokens import AccessToken

from tests.conftest import PASSWORD, AsgiBrowser, Browser, newest
from tests.contrib.conftest import ApiClient

LIST = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1"}


class Person:
    """A user at a door."""

    def __init__(self, door, authsignal, user):
        self.door, self.authsignal, self.user = door, authsignal, user

    @property
    def path(self):
        """Where the door is."""
        group = Group.objects.first()
        return self.door.path.partition("?")[0].format(group=group.pk if group else "")

    @property
    def fields(self):
        """What is sent."""
        if self.door.kind == "sign-in":
            field = "login" if "accounts" in self.door.path else "username"
            return {field: self.user.get_username(), "password": PASSWORD}
        group, wanted = Group.objects.first(), self.door.path.partition("?")[2]
        if wanted == "list_editable":
            return {**LIST, "form-0-id": group.pk, "form-0-name": "changed", "_save": "1"}
        if wanted:
            return {"action": wanted, "_selected_action": group.pk, "post": "yes"}
        return {"name": "changed", "post": "yes"} if self.door.kind == "admin" else {}


class ByBrowser(Person):
    """With a session."""

    def __init__(self, door, authsignal, user, *, proved):
        super().__init__(door, authsignal, user)
        self.browser = (AsgiBrowser if "/async/" in door.path else Browser)(authsignal)
        if door.kind == "sign-in":
            return
        if proved:
            self.browser.sign_in(user.get_username())
        else:
            self.browser.get(f"/by-code/{user.get_username()}/")
        assert self.browser.user_pk == str(user.pk)

    def ask(self):
        """Comes to the door."""
        if self.door.kind in ("rest", "ninja", "token"):
            return self.browser.fetch(self.path, "post", data={}, content_type="application/json")
        answer = getattr(self.browser, self.door.method)(self.path, self.fields)
        if answer.headers.get("Location") == "/authsignal/allauth/":  # the last stage of its login
            return self.browser.get(answer["Location"])
        return answer

    def prove(self):
        """Completes what was asked."""
        back = self.browser.prove()
        if self.door.kind == "sign-in":  # a sign-in view of one's own finishes there
            self.browser.get(back["Location"])
        return back


class ByHeader(Person):
    """With a credential of its own."""

    def __init__(self, door, authsignal, user, authorization):
        super().__init__(door, authsignal, user)
        self.client = ApiClient(authsignal, authorization)
        self.token = ""

    def ask(self):
        """Comes to the door."""
        return self.client.send(self.path, self.body, token=self.token)

    @property
    def body(self):
        """A password, where it is traded for a token."""
        if self.door.kind == "token" and not self.client.authorization:
            return {
                self.user.USERNAME_FIELD if "jwt" in self.door.path else "username": self.user.get_username(),
                "password": PASSWORD,
            }
        return {}

    def prove(self):
        """Completes what was asked; what the SDK hands back goes with the next request."""
        self.token = self.authsignal.complete(str(newest().pk))


def basic(user):
    """The header of HTTP Basic."""
    return "Basic " + base64.b64encode(f"{user.get_username()}:{PASSWORD}".encode()).decode()


AUTHORIZATIONS = {
    "Basic": basic,
    "Token": lambda user: f"Token {Token.objects.get_or_create(user=user)[0].key}",
    "bearer": lambda user: f"Bearer {Token.objects.get_or_create(user=user)[0].key}",
    "JWT": lambda user: f"Bearer {AccessToken.for_user(user)}",
    "knox": lambda user: f"Knox {AuthToken.objects.create(user)[1]}",
}


def someone(door, way, authsignal, user):
    """A user who comes to the door by this way, with everything but the door's own proof."""
    if door.kind == "token":
        return (
            ByHeader(door, authsignal, user, basic(user) if way == "Basic" else "")
            if way != "login()"
            else ByBrowser(door, authsignal, user, proved=False)
        )
    if way in ("password", "login()"):
        return ByBrowser(door, authsignal, user, proved=way == "password")
    person = ByHeader(door, authsignal, user, AUTHORIZATIONS[way](user))
    if way == "Basic":  # which is a sign-in at each request: its own proof first
        free = "/ninja/plain/" if door.kind == "ninja" else "/rest/plain/"
        assert person.client.prove(free).status_code == 200
    return person
