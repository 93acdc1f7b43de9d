"""Recovery codes that a first enrolment on a page earned: who is given them there, and who is not."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from .conftest import App, Emulator
from .test_hosted_afterwards import (
    SHOWN_ONCE,
    app_on_page,
    codes_of,
    enrol_by_pages,
    finish_app,
    location,
    use_recovery_code,
)


def challenged(emulator: Emulator, user: str, **attributes: Any) -> str:
    return str(emulator.track(user, emulator.configure("CHALLENGE"), **attributes)["token"])


def finished(emulator: Emulator, token: str) -> requests.Response:
    url = f"{emulator.url}/challenge/finished/"
    return requests.get(url, {"token": token}, timeout=10, allow_redirects=False)


@pytest.fixture
def earned(emulator: Emulator, user: str) -> tuple[App, str]:
    """The app that was set up on a page, and the page that follows, which nobody has seen yet."""
    token = challenged(emulator, user)
    app = app_on_page(emulator, token)
    return app, location(emulator, finish_app(emulator, token, app))


def test_they_are_shown_once_and_work(emulator: Emulator, user: str, earned: tuple[App, str]) -> None:
    codes = codes_of(requests.get(earned[1], timeout=10).text)
    again = requests.get(earned[1], timeout=10).text
    assert (len(codes), codes_of(again)) == (10, [])
    assert SHOWN_ONCE in again
    assert use_recovery_code(emulator, user, codes[0])


def test_where_there_are_no_recovery_codes_nobody_is_told_that_they_were_shown(emulator: Emulator, user: str) -> None:
    token = challenged(emulator, user)
    with emulator.with_tenant(disableRecoveryCodes=True):
        page = requests.get(location(emulator, enrol_by_pages(emulator, token)), timeout=10)
    assert codes_of(page.text) == []
    assert "It is set up" in page.text
    assert SHOWN_ONCE not in page.text


def test_a_second_way_that_was_only_begun_takes_none_away(
    emulator: Emulator, user: str, earned: tuple[App, str]
) -> None:
    emulator.advance(60)
    token = challenged(emulator, user, scope="add:authenticators")
    emulator.call("verify/totp", token, {"verificationCode": earned[0].code()})
    app_on_page(emulator, token)  # shows a secret, which no code confirms
    assert len(emulator.server("GET", f"users/{user}/authenticators").json()) == 1
    assert len(codes_of(requests.get(earned[1], timeout=10).text)) == 10


def test_an_action_that_was_not_proved_is_given_none(emulator: Emulator, user: str, earned: tuple[App, str]) -> None:
    answer = finished(emulator, challenged(emulator, user))
    assert answer.status_code == 302
    assert codes_of(answer.text) == []
    assert len(codes_of(requests.get(earned[1], timeout=10).text)) == 10


def test_the_next_proof_is_given_those_that_nobody_saw(emulator: Emulator, user: str, earned: tuple[App, str]) -> None:
    emulator.advance(60)
    token = challenged(emulator, user)
    emulator.call("verify/totp", token, {"verificationCode": earned[0].code()})
    assert len(codes_of(finished(emulator, token).text)) == 10
    later = finished(emulator, token).text
    assert codes_of(later) == []
    assert SHOWN_ONCE not in later  # it was not set up here


def test_who_has_two_ways_is_given_none(emulator: Emulator, user: str, earned: tuple[App, str]) -> None:
    second = {"verificationMethod": "EMAIL_OTP", "email": f"{user}@b.example"}
    emulator.post(f"users/{user}/authenticators", second)
    page = requests.get(earned[1], timeout=10).text
    assert codes_of(page) == []
    assert SHOWN_ONCE not in page


def test_whose_way_the_server_made_is_given_none(emulator: Emulator, user: str) -> None:
    app = {"verificationMethod": "EMAIL_OTP", "email": f"{user}@b.example"}
    codes = emulator.post(f"users/{user}/authenticators", app)["recoveryCodes"]
    token = challenged(emulator, user)
    emulator.call("verify/recovery-code", token, {"verificationCode": codes[0]})
    assert codes_of(finished(emulator, token).text) == []
    assert use_recovery_code(emulator, user, codes[1])


@pytest.mark.parametrize("same", [True, False])
def test_whose_first_way_is_gone_is_given_them_where_the_second_was_set_up(
    emulator: Emulator, user: str, earned: tuple[App, str], same: bool
) -> None:
    (first,) = emulator.server("GET", f"users/{user}/authenticators").json()
    emulator.advance(60)
    token = challenged(emulator, user, scope="add:authenticators")
    emulator.call("verify/totp", token, {"verificationCode": earned[0].code()})
    second = app_on_page(emulator, token)
    finish_app(emulator, token, second)
    emulator.server("DELETE", f"users/{user}/authenticators/{first['userAuthenticatorId']}")
    if not same:
        emulator.advance(60)
        token = challenged(emulator, user)
        emulator.call("verify/totp", token, {"verificationCode": second.code()})
    assert len(codes_of(finished(emulator, token).text)) == (10 if same else 0)


def test_a_second_way_that_proved_nothing_is_given_none(emulator: Emulator, user: str, earned: tuple[App, str]) -> None:
    (first,) = emulator.server("GET", f"users/{user}/authenticators").json()
    emulator.advance(60)
    token = challenged(emulator, user, scope="add:authenticators")
    url = location(emulator, finish_app(emulator, token, app_on_page(emulator, token)))
    emulator.server("DELETE", f"users/{user}/authenticators/{first['userAuthenticatorId']}")
    assert codes_of(requests.get(url, timeout=10).text) == []
