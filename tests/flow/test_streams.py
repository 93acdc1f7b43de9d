"""Answers that go on for minutes: the gate is asked at the moment of each act, not when the page was opened."""

from datetime import datetime, timedelta

import pytest
import time_machine
from asgiref.sync import async_to_sync, sync_to_async
from django.http import StreamingHttpResponse
from django.test import AsyncClient
from django.urls import path

from django_authsignal.decision import ChallengeRequired
from tests.conftest import newest
from tests.project.urls import urlpatterns as project

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


async def feed(request):
    async def events():
        while True:
            try:
                await request.authsignal.arequire(request.GET["action"], max_age=60 if "young" in request.GET else None)
                yield f"sent {await request.authsignal.apassed('withdrawFunds')}"
            except ChallengeRequired as exc:
                yield f"{exc.decision.verdict.value} {exc.decision.challenge_id}"

    return StreamingHttpResponse(events())


def feed_sync(request):
    def events():
        while True:
            try:
                request.authsignal.require(request.GET["action"], max_age=60 if "young" in request.GET else None)
                yield f"sent {request.authsignal.passed('withdrawFunds')}"
            except ChallengeRequired as exc:
                yield f"{exc.decision.verdict.value} {exc.decision.challenge_id}"

    return StreamingHttpResponse(events())


urlpatterns = [*project, path("feed/", feed_sync), path("async/feed/", feed)]


@pytest.fixture
def signed_in(browser, ada):
    browser.sign_in()
    return browser


@pytest.fixture
def stream(signed_in, colour):
    """Opens a stream and walks through it: `read()` gives what it sends next."""

    def walk(query, steps):
        if colour == "/":
            parts = iter(signed_in.get(f"/feed/?{query}").streaming_content)
            return steps(lambda: next(parts).decode())
        return async_to_sync(walk_async)(query, steps)

    async def walk_async(query, steps):
        client = AsyncClient()
        client.cookies = signed_in.cookies
        answer = await client.get(f"/async/feed/?{query}", headers={"Accept": "text/html"})
        parts = aiter(answer.streaming_content)

        async def read():
            return (await anext(parts)).decode()

        await sync_to_async(steps)(async_to_sync(read))

    return walk


def later(seconds):
    return time_machine.travel(datetime.now().astimezone() + timedelta(seconds=seconds))


def test_a_stream_asks_at_the_moment_of_the_act(signed_in, stream):
    def steps(read):
        assert read() == f"challenge {newest().pk}"
        signed_in.prove()
        assert read() == "sent True"
        with later(901):
            assert read().startswith("challenge")

    stream("action=withdrawFunds", steps)


def test_a_stream_that_began_with_a_proof_asks_when_it_is_too_old(signed_in, stream):
    def steps(read):
        assert read() == "sent True"
        with later(61):
            assert read().startswith("challenge")

    signed_in.step_up()
    stream("action=withdrawFunds&young", steps)


@pytest.mark.parametrize("end", ["log out", "session gone", "password"])
def test_what_ended_since_the_stream_began_ended_here_too(signed_in, ada, stream, end):
    def steps(read):
        assert read() == "sent True"
        if end == "log out":
            signed_in.post("/logout/")
        elif end == "session gone":
            signed_in.session.flush()
        else:
            ada.set_password("another long password")
            ada.save()
        assert read() == "sign_in None"

    signed_in.step_up()
    stream("action=withdrawFunds", steps)


def test_a_proof_for_one_request_serves_one_act_of_a_stream(signed_in, stream):
    def steps(read):
        assert read().startswith("challenge")
        signed_in.prove()
        assert read().startswith("sent")
        assert read().startswith("challenge")

    stream("action=deleteAccount", steps)


def test_a_stream_that_is_opened_again_takes_its_proof_once(signed_in, stream):
    def again(read):
        assert read().startswith("sent")
        assert read().startswith("challenge")

    stream("action=deleteAccount", lambda read: read())
    signed_in.prove()
    stream("action=deleteAccount", again)


def test_a_proof_that_a_stream_has_not_used_ends_with_what_its_user_was(signed_in, ada, stream):
    def again(read):
        ada.email = "new@example.com"
        ada.save()
        assert read().startswith("challenge")

    stream("action=deleteAccount", lambda read: read())
    signed_in.prove()
    stream("action=deleteAccount", again)
