"""Every fault of the setup is found, at its severity, with the fix."""

import re
import socket
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend, ModelBackend, RemoteUserBackend
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookies
from django.core.checks import Error, Warning
from django.core.checks.registry import registry
from django.views.decorators.debug import sensitive_variables

import django_authsignal.checks
from django_authsignal.backends import AuthsignalBackend, AuthsignalBackendMixin
from django_authsignal.decorators import challenge_required

GATED = "django_authsignal.backends.AuthsignalBackend"
GOOD_DEPLOYMENT = {
    "API_SECRET_KEY": "a real key",
    "PUBLIC_BASE_URL": "https://shop.example",
}


def found(*, deploy=False):
    """What our checks say. Those of others, which another test may have brought in, fail on backends that are none."""
    ours = [one for one in registry.get_checks(deploy) if one.__module__.startswith("django_authsignal")]
    return {item.id: item for one in ours for item in one(app_configs=None, databases=None)}


def test_a_sound_project_has_no_findings():
    assert found() == {}


def test_a_misspelt_setting_is_an_error(settings):
    settings.AUTHSIGNAL = {"MAX_AEG": 1}
    item = found()["authsignal.E001"]
    assert isinstance(item, Error)
    assert "MAX_AGE" in item.hint


def test_a_misspelt_setting_does_not_keep_a_guarded_module_from_being_imported(settings):
    settings.AUTHSIGNAL = {"MAX_AEG": 1}
    challenge_required("withdrawFunds", max_age=60)(lambda request: None)
    assert "authsignal.E001" in found()


@pytest.mark.parametrize("missing", [{}, {"API_SECRET_KEY": ""}, {"API_SECRET_KEY": None, "TENANT_ID": None}])
def test_a_missing_key_is_a_warning_and_at_deployment_an_error(settings, missing):
    settings.AUTHSIGNAL = missing  # None: os.environ.get() of a variable that is not set
    assert isinstance(found()["authsignal.W001"], Warning)
    assert isinstance(found(deploy=True)["authsignal.E010"], Error)


def test_missing_urls_are_an_error(settings):
    settings.ROOT_URLCONF = "tests.unit.no_urls"
    assert "include" in found()["authsignal.E002"].hint


def test_a_missing_middleware_is_an_error(settings):
    settings.MIDDLEWARE = [item for item in settings.MIDDLEWARE if "authsignal" not in item]
    assert "AuthsignalMiddleware" in found()["authsignal.E003"].hint


def test_a_session_middleware_that_is_absent_is_named_in_the_fix(settings):
    name = "django.contrib.sessions.middleware.SessionMiddleware"
    settings.MIDDLEWARE = [item for item in settings.MIDDLEWARE if item != name]
    assert f"Add {name!r}" in found()["authsignal.E004"].hint


def test_an_api_without_sessions_needs_no_middleware_for_them(settings):
    needed = ("sessions", "auth.middleware", "messages")
    settings.MIDDLEWARE = [item for item in settings.MIDDLEWARE if not any(name in item for name in needed)]
    assert "authsignal.E004" in found()
    settings.INSTALLED_APPS = [item for item in settings.INSTALLED_APPS if not item.endswith((".sessions", ".admin"))]
    assert "authsignal.E004" not in found()


@pytest.mark.parametrize("place", [0, 2])
def test_a_wrong_order_is_an_error(settings, place):
    ours = "django_authsignal.middleware.AuthsignalMiddleware"
    rest = [item for item in settings.MIDDLEWARE if item != ours]
    settings.MIDDLEWARE = [*rest[:place], ours, *rest[place:]]
    assert isinstance(found()["authsignal.E004"], Error)


def test_a_csrf_check_that_comes_too_late_is_an_error(settings):
    csrf = "django.middleware.csrf.CsrfViewMiddleware"
    settings.MIDDLEWARE = [*(item for item in settings.MIDDLEWARE if item != csrf), csrf]
    item = found()["authsignal.E004"]
    assert "CsrfViewMiddleware" in item.msg
    assert "CsrfViewMiddleware' in front of them" in item.hint


@pytest.mark.parametrize("ours", ["before", "after", "missing"])
def test_the_middleware_that_asks_of_every_session_stands_after_ours(settings, ours):
    authsignal = "django_authsignal.middleware.AuthsignalMiddleware"
    sessions = "django_authsignal.middleware.SignInChallengeMiddleware"
    rest = [item for item in settings.MIDDLEWARE if item != authsignal]
    both = {"before": [sessions, authsignal], "after": [authsignal, sessions], "missing": [sessions]}[ours]
    settings.MIDDLEWARE = [*rest, *both]
    expected = {"before": "authsignal.E021", "missing": "authsignal.E003"}.get(ours)
    assert set(found()) == ({expected} if expected else set())
    assert ours != "before" or f"after {authsignal!r}" in found()[expected].hint


def test_an_ungated_password_backend_beside_a_gated_one_is_an_error(settings):
    settings.AUTHENTICATION_BACKENDS = [
        "django_authsignal.backends.AuthsignalBackend",
        "django.contrib.auth.backends.ModelBackend",
    ]
    assert isinstance(found()["authsignal.E005"], Error)


class HiddenSignature(BaseBackend):
    @sensitive_variables("password")
    def authenticate(self, request, email=None, password=None):
        return None


def test_an_ungated_password_backend_is_found_behind_a_decorator_too(settings):
    settings.AUTHENTICATION_BACKENDS = [
        "django_authsignal.backends.AuthsignalBackend",
        f"{__name__}.HiddenSignature",
    ]
    assert isinstance(found()["authsignal.E005"], Error)


class ByEmail(AuthsignalBackend):
    def authenticate(self, request, username=None, password=None):
        return get_user_model().objects.filter(email=username).first()


class AsyncByEmail(AuthsignalBackend):
    async def aauthenticate(self, request, username=None, password=None):
        return await get_user_model().objects.filter(email=username).afirst()


class Gated(AuthsignalBackendMixin, HiddenSignature):
    pass


@pytest.mark.parametrize("backend", [ByEmail, AsyncByEmail])
def test_a_method_in_front_of_the_gate_is_an_error(settings, backend):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.{backend.__name__}"]
    item = found()["authsignal.E005"]
    assert isinstance(item, Error)
    assert "behind AuthsignalBackendMixin" in item.hint


def test_a_backend_behind_the_gate_is_fine(settings):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Gated"]
    assert found() == {}


def test_a_backend_without_passwords_beside_a_gated_one_is_fine(settings):
    settings.AUTHENTICATION_BACKENDS = [
        "django_authsignal.backends.AuthsignalBackend",
        "django.contrib.auth.backends.RemoteUserBackend",
    ]
    assert "authsignal.E005" not in found()


class AnyCredentials:
    def authenticate(self, request, **credentials):
        return None


class OtherNames:
    def authenticate(self, request, user, pwd):
        return None


class AsyncOtherNames(BaseBackend):
    async def aauthenticate(self, request, *, user, passphrase):
        return None


class ForgottenSignature:
    def authenticate(*args, **kwargs):
        return None


class OfTheClass:
    @classmethod
    def authenticate(cls, request, pwd):
        return None


class WrittenInC:
    authenticate = type


class OfTheInstance:
    def __getattr__(self, name):
        return getattr(ModelBackend(), name)


def by_function():
    return ModelBackend()


def by_a_broken_function():
    raise RuntimeError


@pytest.mark.parametrize(
    ("backend", "taken"),
    [
        (AnyCredentials, "**credentials"),
        (OtherNames, "pwd"),
        (AsyncOtherNames, "passphrase"),
        (ForgottenSignature, "**kwargs"),
        (OfTheClass, "pwd"),
        (WrittenInC, "what authenticate() does not say"),
        (OfTheInstance, "what its class does not say"),
        (by_a_broken_function, "what its class does not say"),
    ],
)
def test_a_backend_of_which_a_password_cannot_be_ruled_out_is_an_error(settings, backend, taken):
    settings.AUTHENTICATION_BACKENDS = [GATED, f"{__name__}.{backend.__name__}"]
    item = found()["authsignal.E005"]
    assert f"may sign in with a password ({taken})" in item.msg
    assert item.hint.endswith("as token does.")


def test_a_function_that_makes_a_password_backend_is_an_error(settings):
    settings.AUTHENTICATION_BACKENDS = [GATED, f"{__name__}.by_function"]
    assert "signs in with a password and without" in found()["authsignal.E005"].msg


def gated_by_function():
    return AuthsignalBackend()


def test_a_function_that_makes_a_gated_backend_is_fine(settings):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.gated_by_function"]
    assert found() == {}


class ByToken(BaseBackend):
    def authenticate(self, request, user_id=None, access_token=None):
        return None


class ByTokenAlone:
    @staticmethod
    def authenticate(request, *, token):
        return None


class Staff(RemoteUserBackend):
    create_unknown_user = False


class PermissionsOnly(BaseBackend):
    def has_perm(self, user_obj, perm, obj=None):
        return False


class Rules:
    """As django-rules has it: it signs nobody in."""

    def authenticate(self, *args, **kwargs):
        return None

    authenticate.__module__, authenticate.__qualname__ = "rules.permissions", "ObjectPermissionBackend.authenticate"


@pytest.mark.parametrize("backend", [ByToken, ByTokenAlone, Staff, PermissionsOnly, Rules])
def test_a_backend_that_is_known_to_take_no_password_is_fine(settings, backend):
    settings.AUTHENTICATION_BACKENDS = [GATED, f"{__name__}.{backend.__name__}"]
    assert found() == {}


@pytest.mark.parametrize("path", ["no.such.Backend", "tests.unit.no_urls.Nothing", None])
def test_a_backend_that_cannot_be_imported_is_left_to_django(settings, path):
    settings.AUTHENTICATION_BACKENDS = [GATED, path]
    assert found() == {}


def test_no_gated_backend_is_a_warning(settings):
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    assert isinstance(found()["authsignal.W005"], Warning)


def test_an_emulator_that_does_not_answer_is_a_warning_naming_the_command(settings):
    settings.AUTHSIGNAL = {"EMULATOR": True, "API_URL": "http://localhost:1/v1"}
    command = "python -m django_authsignal.emulator --default-outcome CHALLENGE --port 1"
    assert found()["authsignal.W006"].hint == f"Start it: {command}"


@contextmanager
def answering(answer):
    """Something on a port: says `answer` to whoever asks, or nothing for None."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            line, _ = listener.accept()
            with line:
                line.recv(8192)
                line.sendall(answer)
                line.recv(1)

        if answer is not None:
            threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n", b"SSH-2.0-x\r\n"])
def test_another_service_on_the_emulators_port_is_a_warning(settings, answer):
    with answering(answer) as url:
        settings.AUTHSIGNAL = {"EMULATOR": True, "API_URL": url}
        item = found()["authsignal.W006"]
    assert item.msg == f"What answers at {url} is not the emulator."
    assert "--port" in item.hint


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 404 Not Found\r\nDate: x\r\ncontent-type: application/json\r\n\r\n", None]
)
def test_what_may_be_the_emulator_is_not_warned_of(settings, answer):
    with answering(answer) as url:
        settings.AUTHSIGNAL = {"EMULATOR": True, "API_URL": url}
        assert found() == {}


@pytest.mark.parametrize(
    ("url", "port"), [("https://emulator/v1", 443), ("http://emulator/v1", 80), ("https://emulator:9000/v1", 9000)]
)
def test_the_emulator_is_looked_for_at_the_port_of_its_address(settings, monkeypatch, url, port):
    asked = []

    def create_connection(address, timeout):
        asked.append(address)
        raise OSError

    monkeypatch.setattr("django_authsignal.checks.socket.create_connection", create_connection)
    settings.AUTHSIGNAL = {"EMULATOR": True, "API_URL": url}
    assert "authsignal.W006" in found()
    assert asked == [("emulator", port)]


def test_a_cache_for_outages_that_is_not_there_is_an_error(settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "BREAKER_CACHE": "defualt"}
    assert found()["authsignal.E030"].hint == "Use one of 'default', or None."


def test_a_cache_for_outages_that_is_there_is_none(settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "BREAKER_CACHE": "default"}
    assert "authsignal.E030" not in found()


@pytest.mark.parametrize("url", ["http://[::1/v1", "http://localhost:99999/v1", "localhost:9000/v1", "api.example/v1"])
def test_an_api_url_that_is_no_address_is_an_error(settings, url):
    settings.AUTHSIGNAL = {"EMULATOR": True, "API_URL": url}
    assert "https://api.authsignal.com/v1" in found()["authsignal.E001"].hint


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"EMULATOR": True}, "authsignal.E011"),
        ({"API_SECRET_KEY": "emulator_secret"}, "authsignal.E011"),
        ({"API_SECRET_KEY_FALLBACKS": ["emulator_secret"]}, "authsignal.E011"),
        ({"API_URL": "http://api.example/v1"}, "authsignal.E012"),
        ({"PUBLIC_BASE_URL": None}, "authsignal.W013"),
        ({"PUBLIC_BASE_URL": "http://shop.example"}, "authsignal.E013"),
        ({"PUBLIC_BASE_URL": ["https://shop.example", "http://shop.example"]}, "authsignal.E013"),
        ({"ON_UNREACHABLE": "allow"}, "authsignal.W023"),
        ({"ON_ALLOW": "pass"}, "authsignal.W023"),
        ({"ACTIONS": {"pay": {"UNENROLLED": "allow"}}}, "authsignal.W023"),
        ({"ACTIONS": {"pay": {"ON_ALLOW": "pass"}}}, "authsignal.W023"),
        ({"ENFORCE": "observe"}, "authsignal.W024"),
        ({"ACTIONS": {"pay": {"ENFORCE": "observe"}}}, "authsignal.W024"),
    ],
)
def test_what_must_not_go_live_is_found_at_deployment(settings, changes, finding):
    settings.AUTHSIGNAL = {**GOOD_DEPLOYMENT, **changes}
    assert finding in found(deploy=True)
    assert finding not in found()


def test_the_scheme_of_an_address_may_be_in_capitals(settings):
    settings.AUTHSIGNAL = {**GOOD_DEPLOYMENT, "API_URL": "HTTPS://API.AUTHSIGNAL.COM/v1/"}
    assert "authsignal.E012" not in found(deploy=True)


@pytest.fixture
def shared_cache(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://-"}}


class SessionStore(SignedCookies):
    """A store of a project's own."""


@pytest.mark.parametrize("engine", ["django.contrib.sessions.backends.signed_cookies", __name__])
def test_signed_cookie_sessions_are_a_deployment_warning(settings, shared_cache, engine):
    settings.AUTHSIGNAL = GOOD_DEPLOYMENT
    settings.SESSION_ENGINE = engine
    assert set(found(deploy=True)) == {"authsignal.W014"}


@pytest.mark.parametrize("backend", ["locmem.LocMemCache", "dummy.DummyCache"])
def test_a_cache_of_each_process_is_a_deployment_warning(settings, backend):
    settings.AUTHSIGNAL = GOOD_DEPLOYMENT
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}"}}
    assert set(found(deploy=True)) == {"authsignal.W022"}


@pytest.mark.parametrize("backend", ["locmem.LocMemCache", "dummy.DummyCache"])
def test_a_breaker_cache_of_each_process_is_a_deployment_warning(settings, shared_cache, backend):
    settings.AUTHSIGNAL = {**GOOD_DEPLOYMENT, "BREAKER_CACHE": "outages"}
    settings.CACHES = {**settings.CACHES, "outages": {"BACKEND": f"django.core.cache.backends.{backend}"}}
    assert set(found(deploy=True)) == {"authsignal.W026"}


def test_a_breaker_cache_that_all_share_is_none(settings, shared_cache):
    settings.AUTHSIGNAL = {**GOOD_DEPLOYMENT, "BREAKER_CACHE": "default"}
    assert found(deploy=True) == {}


def test_who_limits_nothing_is_not_told_of_a_cache_that_cannot_count(settings):
    settings.AUTHSIGNAL = {**GOOD_DEPLOYMENT, "LIMITS": None}
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert found(deploy=True) == {}


@pytest.mark.parametrize(
    "behind", [{"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}, {"USE_X_FORWARDED_HOST": True}]
)
@pytest.mark.parametrize(("client_ip", "told"), [(None, {"authsignal.W025"}), (str, set())])
def test_a_proxy_whose_visitors_have_no_address_is_a_deployment_warning(
    settings, shared_cache, behind, client_ip, told
):
    settings.AUTHSIGNAL = {**GOOD_DEPLOYMENT, "CLIENT_IP": client_ip}
    for name, value in behind.items():
        setattr(settings, name, value)
    assert set(found(deploy=True)) == told


def test_the_warning_names_each_policy_that_lets_somebody_through(settings):
    pay = {"UNENROLLED": "allow", "ON_ALLOW": "pass"}
    settings.AUTHSIGNAL = {**GOOD_DEPLOYMENT, "ON_UNREACHABLE": "allow", "ACTIONS": {"pay": pay}}
    said = found(deploy=True)["authsignal.W023"].msg
    for part in ("ON_UNREACHABLE = 'allow'", "ACTIONS['pay']['UNENROLLED'] = 'allow'", "ACTIONS['pay']['ON_ALLOW']"):
        assert part in said


def test_an_allow_that_signs_in_is_the_rule_and_no_finding(settings, shared_cache):
    settings.AUTHSIGNAL = {**GOOD_DEPLOYMENT, "ACTIONS": {"signIn": {"ON_ALLOW": "pass"}}}
    assert found(deploy=True) == {}


def test_a_sound_deployment_has_no_findings(settings, shared_cache):
    settings.AUTHSIGNAL = GOOD_DEPLOYMENT
    assert found(deploy=True) == {}


def test_check_ids_are_unique_to_one_fault_each():
    source = Path(django_authsignal.checks.__file__).read_text()
    ids = re.findall(r'id="(authsignal\.[EW]\d+)"', source)
    assert len(ids) - len(set(ids)) == 0


def test_the_reference_documents_each_check_once_and_no_other():
    package = Path(django_authsignal.__file__).parent
    raised = {
        name for path in package.rglob("*.py") for name in re.findall(r'id="(authsignal\.[EW]\d+)"', path.read_text())
    }
    documented = re.findall(r"^\| `(authsignal\.[EW]\d+)` \|", (package.parent / "docs/reference.md").read_text(), re.M)
    assert sorted(documented) == sorted(raised)


PASSKEYS = "{% load authsignal %}{% authsignal_passkey_autofill %}"


@pytest.fixture
def offering_passkeys(settings, tmp_path):
    (tmp_path / "registration").mkdir()
    (tmp_path / "registration" / "login.html").write_text(PASSKEYS)
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]


@pytest.mark.usefixtures("offering_passkeys")
@pytest.mark.parametrize(
    ("written", "named"),
    [
        ({}, "TENANT_ID"),
        ({"TENANT_ID": "t", "PASSWORDLESS_METHODS": ["SMS"]}, "PASSWORDLESS_METHODS"),
    ],
)
def test_a_page_that_offers_passkeys_in_vain_is_a_warning(settings, written, named):
    settings.AUTHSIGNAL = {**GOOD_DEPLOYMENT, **written}
    item = found()["authsignal.W008"]
    assert isinstance(item, Warning)
    assert "login.html" in item.msg
    assert named in item.hint


@pytest.mark.usefixtures("offering_passkeys")
@pytest.mark.parametrize("tenant", ["tenant", lambda request: "tenant"])
def test_a_page_that_offers_passkeys_with_a_tenant_is_no_finding(settings, tenant):
    settings.AUTHSIGNAL = {**GOOD_DEPLOYMENT, "TENANT_ID": tenant}
    assert found() == {}
