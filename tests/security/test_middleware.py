"""The middleware by itself: it asks in front of a marked view, so outside its transaction, and in both colours."""

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse, StreamingHttpResponse
from django.views.decorators.debug import sensitive_post_parameters

from django_authsignal import browser as binding
from django_authsignal import channel
from django_authsignal.binding import UnreadableFields
from django_authsignal.decision import ChallengeRequired, Decision, Question, Verdict
from django_authsignal.decorators import challenge_required
from django_authsignal.middleware import AuthsignalMiddleware
from django_authsignal.models import Status
from django_authsignal.policy import get_policy
from tests.conftest import newest
from tests.project import views

pytestmark = [pytest.mark.django_db, pytest.mark.security]


def answer(request):
    return HttpResponse("the view's")


async def answer_async(request):
    return HttpResponse("the view's")


@pytest.fixture(params=[answer, answer_async], ids=["sync", "async"])
def middleware(request):
    """Asks as Django's handlers do, in either colour."""
    made = AuthsignalMiddleware(request.param)
    if request.param is answer:
        return made, made.process_view
    return async_to_sync(made), async_to_sync(made.process_view)


@pytest.fixture
def arriving(adas, ada, rf):
    """Makes requests of Ada's browser."""

    def make(method="GET", path="/withdraw/", **data):
        headers = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
        request = getattr(rf, method.lower())(path, data, headers=headers)
        request.session, request.user, request.resolver_match = adas.session, ada, None
        request.COOKIES = {name: cookie.value for name, cookie in adas.cookies.items()}
        return request

    return make


def test_a_marked_view_is_asked_about_before_it_runs(middleware, arriving):
    call, process_view = middleware
    request = arriving()
    call(request)
    assert process_view(request, views.withdraw, (), {}).status_code == 302


def test_a_view_without_a_mark_is_not(middleware, arriving, authsignal):
    call, process_view = middleware
    request = arriving()
    call(request)
    assert process_view(request, answer, (), {}) is None
    assert authsignal.calls == []


def test_after_the_proof_the_view_runs(middleware, arriving, adas):
    call, process_view = middleware
    adas.step_up()
    request = arriving()
    call(request)
    assert process_view(request, views.withdraw, (), {}) is None


def test_a_view_with_two_marks_is_asked_for_both(middleware, arriving, adas, authsignal):
    call, process_view = middleware
    adas.step_up()
    request = arriving()
    call(request)
    both = challenge_required("withdrawFunds")(challenge_required("closeAccount")(answer))
    assert process_view(request, both, (), {}).status_code == 302
    assert authsignal.calls[-1].action == "closeAccount"


def test_a_proof_for_one_request_is_spent_before_its_view_runs(middleware, arriving, adas):
    call, process_view = middleware
    adas.post("/delete/")
    adas.prove()
    request = arriving("POST", "/delete/")
    request._dont_enforce_csrf_checks = True
    call(request)
    assert process_view(request, answer, (), {}) is None
    assert newest().status == Status.SPENT


def test_each_request_has_its_gate_which_knows_that_somebody_answers_for_it(middleware, arriving):
    request = arriving()
    assert middleware[0](request).content == b"the view's"
    assert request.authsignal.guarded is True
    assert request.authsignal.stays_open is False


def test_an_answer_gets_the_binding_cookie_that_was_made_for_it_and_is_nobody_elses(middleware, arriving):
    request = arriving()
    request.COOKIES = {}
    binding.ensure(request)
    found = middleware[0](request)
    assert "authsignal_browser" in found.cookies
    assert "private" in found["Cache-Control"] or "no-store" in found["Cache-Control"]
    assert "Cache-Control" not in middleware[0](arriving())


def test_what_is_streamed_stays_open(arriving):
    request = arriving()
    AuthsignalMiddleware(lambda request: StreamingHttpResponse([b"a"]))(request)
    assert request.authsignal.stays_open is True


def test_the_gates_own_exceptions_are_answered_and_no_others(arriving):
    middleware = AuthsignalMiddleware(answer)
    request = arriving()
    middleware(request)
    refused = middleware.process_exception(request, UnreadableFields("Give an amount."))
    assert (refused.status_code, b"Give an amount." in refused.content) == (400, True)
    waits = ChallengeRequired(Decision(Verdict.NOT_STARTED, "withdrawFunds"))
    assert middleware.process_exception(request, waits).status_code == 401
    assert middleware.process_exception(request, ValueError("no")) is None


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_what_was_to_be_observed_is_asked_once_the_view_has_run(arriving, ada, authsignal, colour):
    question = Question(ada, get_policy("withdrawFunds"), return_to="/withdraw/")

    def view(request):
        request.authsignal.to_observe.append(question)
        assert authsignal.calls == []
        return HttpResponse()

    async def view_async(request):
        return view(request)

    asked = AuthsignalMiddleware(view) if colour == "sync" else async_to_sync(AuthsignalMiddleware(view_async))
    asked(arriving())
    assert [(call.operation, call.action) for call in authsignal.calls] == [("track", "withdrawFunds")]


def test_nothing_between_the_middleware_and_the_view_sees_a_token(arriving):
    request = arriving(path="/authsignal/callback/00000000-0000-0000-0000-000000000001/", token="a.b.c")
    request.META[channel._META] = "a.b.c"
    seen = []

    def view(request):
        seen.append(f"{request.META} {request.headers} {request.get_full_path()}")
        return HttpResponse()

    AuthsignalMiddleware(view)(request)
    assert "a.b.c" not in seen[0]


def test_the_secret_fields_of_a_view_are_marked_before_it_runs(middleware, arriving):
    call, process_view = middleware
    request = arriving("POST", pin="1")
    call(request)
    process_view(request, sensitive_post_parameters("pin")(answer), (), {})
    assert request.sensitive_post_parameters == ("pin",)
