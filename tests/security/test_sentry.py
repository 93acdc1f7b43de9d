"""What Sentry's own SDK sends of a crash: by its own scrubber, and by the one that docs/deployment.md shows."""

import json
import re
from pathlib import Path

import pytest

sentry_sdk = pytest.importorskip("sentry_sdk", reason="sentry-sdk is not installed: pip install sentry-sdk")

from sentry_sdk.integrations.asgi import SentryAsgiMiddleware  # noqa: E402  after what is set up above
from sentry_sdk.integrations.django import DjangoRequestExtractor  # noqa: E402  after what is set up above
from sentry_sdk.integrations.wsgi import _make_wsgi_event_processor  # noqa: E402  after what is set up above
from sentry_sdk.transport import Transport  # noqa: E402  after what is set up above
from sentry_sdk.utils import event_from_exception  # noqa: E402  after what is set up above

from django_authsignal.models import Challenge  # noqa: E402  after what is set up above
from tests.canaries import BASIC, PASSWORD, failing_query, leaks, watched  # noqa: E402  after what is set up above
from tests.conftest import AsgiBrowser, Browser  # noqa: E402  after what is set up above
from tests.security import ways  # noqa: E402  after what is set up above
from tests.security.ways import WAYS, walk  # noqa: E402  after what is set up above

pytestmark = [pytest.mark.django_db, pytest.mark.security, pytest.mark.urls("tests.security.ways")]
DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "deployment.md"


@pytest.fixture(autouse=True)
def _project_of_canaries(project_of_canaries):
    """Every secret of the project's is one that is recognised."""


class Kept(Transport):
    """Sends nothing: keeps what would be."""

    def capture_envelope(self, envelope):
        self.options.setdefault("kept", []).extend(item.payload.json for item in envelope.items)


def reporter(**options):
    """Makes of a crash what the SDK's integration with Django would send; nothing of the process is patched."""
    client = sentry_sdk.Client(
        dsn="https://key@sentry.example/1",
        transport=Kept,
        default_integrations=False,
        auto_enabling_integrations=False,
        **options,
    )

    asgi = SentryAsgiMiddleware(None, unsafe_context_data=True)

    def report(request, exc_info):
        with sentry_sdk.isolation_scope() as scope:
            scope.set_client(client)
            event, hint = event_from_exception(exc_info, client_options=client.options)
            DjangoRequestExtractor(request).extract_into_event(event)
            if hasattr(request, "scope"):
                event = asgi.event_processor(event, hint, request.scope)
            else:
                event = _make_wsgi_event_processor(request.META, False)(event, hint)
            client.capture_event(event, hint, scope)
        return json.dumps(client.transport.options["kept"].pop())

    return report


def documented():
    """The scrubber of the docs."""
    (code,) = re.findall(r"```python\n(from sentry_sdk.+?)```", DOCS.read_text(), re.S)
    made = {}
    exec(code.replace("sentry_sdk.init(", "options = dict("), made)
    return made["options"]


CASES = [(way, (Browser, AsgiBrowser)[place % 2]) for place, way in enumerate(WAYS)]
every_way = pytest.mark.parametrize(
    ("way", "kind"), CASES, ids=[f"{way.__name__}-{kind.__name__}" for way, kind in CASES]
)


def crashes(report, way, kind, authsignal, ada):
    """What is sent when the view breaks, or the first call, or the second one."""
    found = []
    for broken in (0, 1, 2):
        Challenge.objects.all().delete()  # an API client's proofs count again
        browser = kind(authsignal, raise_request_exception=False)
        send, calls = type(authsignal).send, []

        def failing(request, *args, _at=broken, _send=send, _calls=calls, **kwargs):
            _calls.append(request)
            if len(_calls) == _at:
                raise RuntimeError("something broke deep below")
            return _send(authsignal, request, *args, **kwargs)

        authsignal.send = failing
        with watched(report) as seen:
            walk(way, browser, ada)
        found += seen.crashes
    return found


# What came in forms and headers, which Django's own frames and the copy of the request hold in any project.
TYPED = [PASSWORD, BASIC, ways.FORM["card"]]


@every_way
def test_sentry_is_told_no_secret_of_ours(way, kind, authsignal, ada):
    found = crashes(reporter(), way, kind, authsignal, ada)
    assert found or way in (ways.a_webhook, ways.breaking_glass)
    assert leaks(found, but=TYPED) == []


@every_way
def test_the_scrubber_of_the_docs_lets_nothing_through(way, kind, authsignal, ada):
    assert leaks(crashes(reporter(**documented()), way, kind, authsignal, ada)) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", [ways.signing_in, ways.stepping_up])
def test_the_scrubber_of_the_docs_hides_what_is_in_a_session_that_cannot_be_kept(way, authsignal, ada):
    for number in range(1, 24, 2):
        browser = Browser(authsignal, raise_request_exception=False)
        with watched(reporter(**documented())) as seen, failing_query(number):
            held = walk(way, browser, ada)
        assert leaks(seen.crashes, *held.binding) == [], number


def test_a_crash_with_a_secret_is_heard(browser, ada):
    browser.raise_request_exception = False
    with watched(reporter()) as seen:
        walk(ways.signing_in, browser, ada)
        browser.post("/pay-by-card/", ways.FORM)
        browser.authsignal.send = None
        browser.post("/pay-by-card/", {**ways.FORM, "amount": "6"})
    assert leaks(seen.crashes)
