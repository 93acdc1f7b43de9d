"""The page where people manage their ways of proof."""

import pytest

from django_authsignal.models import Challenge, Kind, Status
from tests.conftest import newest

pytestmark = pytest.mark.django_db
URL = "/authsignal/authenticators/"


@pytest.fixture
def manager(adas, ada, authsignal):
    """Ada's browser with a pass for managing, and two authenticators at Authsignal: a passkey and a mailed code."""
    from django_authsignal.client import Client

    client = Client("key", transport=authsignal)
    client.enroll_verified_authenticator(str(ada.pk), verification_method="EMAIL_OTP", email="ada@example.com")
    authsignal.client = client
    adas.step_up(URL)
    return adas


def ids(authsignal, user):
    return [item.user_authenticator_id for item in authsignal.client.get_authenticators(str(user.pk))]


def test_the_page_is_behind_a_proof(adas):
    assert adas.get(URL).status_code == 302
    assert newest().action == "manageAuthenticators"


def test_it_lists_what_the_user_has(manager):
    page = manager.get(URL)
    assert page.status_code == 200
    assert len(page.context["authenticators"]) == 2


def test_removing_one_drops_passes_and_open_challenges(manager, ada, authsignal):
    manager.get("/withdraw/")
    left, gone = ids(authsignal, ada)
    manager.post(URL, {"remove": gone})
    assert ids(authsignal, ada) == [left]
    assert Challenge.objects.get(action="withdrawFunds").status == Status.REVOKED
    assert manager.get(URL).status_code == 302


def test_a_page_asks_before_one_is_removed(manager, ada, authsignal):
    _, chosen = ids(authsignal, ada)
    page = manager.get(URL, {"remove": chosen})
    assert page.status_code == 200
    assert b"Remove Code by e-mail?" in page.content
    assert f'name="remove" value="{chosen}"' in page.content.decode()
    assert len(ids(authsignal, ada)) == 2


def test_the_list_leads_to_that_page_and_holds_no_button_that_removes(manager, ada, authsignal):
    page = manager.get(URL).content.decode()
    assert all(f'href="?remove={one}"' in page for one in ids(authsignal, ada))
    assert 'name="remove"' not in page


def test_that_page_survives_the_proof_it_asks_for(adas, ada, authsignal):
    from django_authsignal.client import Client

    client = Client("key", transport=authsignal)
    client.enroll_verified_authenticator(str(ada.pk), verification_method="EMAIL_OTP", email="ada@example.com")
    mine = next(iter(client.get_authenticators(str(ada.pk)))).user_authenticator_id
    adas.get(URL, {"remove": mine})
    assert adas.prove().headers["Location"] == f"{URL}?remove={mine}"


@pytest.mark.security
@pytest.mark.parametrize("asked", ["", "unknown", "<script>", "\0", "x" * 3000])
def test_that_page_is_of_ones_own_only(manager, bob, authsignal, asked):
    enrolled = authsignal.client.enroll_verified_authenticator(str(bob.pk), verification_method="SMS")
    asked = asked or enrolled.authenticator.user_authenticator_id
    page = manager.get(URL, {"remove": asked})
    assert page.status_code == 404
    assert b"Nothing was removed" in page.content
    assert b'name="remove"' not in page.content


def test_the_last_one_is_not_asked_about(manager, ada, authsignal):
    left, gone = ids(authsignal, ada)
    manager.post(URL, {"remove": gone})
    manager.step_up(URL)
    assert manager.get(URL, {"remove": left}).status_code == 409


def test_the_page_says_what_was_removed(manager, ada, authsignal):
    page = manager.post(URL, {"remove": ids(authsignal, ada)[1]})
    assert page.context["notice"] == "Removed: Code by e-mail. What was proved with it no longer counts."


def test_a_way_of_proof_without_a_name_of_ours_is_shown_in_words(manager, ada, authsignal):
    authsignal.client.enroll_verified_authenticator(str(ada.pk), verification_method="PALM_BIOMETRICS_RR")
    labels = [line.label for line in manager.get(URL).context["authenticators"]]
    assert labels == ["Passkey", "Code by e-mail", "Palm biometrics rr"]


def test_the_last_one_is_not_removed(manager, ada, authsignal):
    left, gone = ids(authsignal, ada)
    manager.post(URL, {"remove": gone})
    manager.step_up(URL)
    manager.post(URL, {"remove": left})
    assert ids(authsignal, ada) == [left]


@pytest.mark.security
def test_the_owner_is_told_of_one_that_is_removed_and_of_one_that_is_new(manager, ada, authsignal, mailoutbox):
    manager.get(URL)
    assert mailoutbox == []
    authsignal.client.enroll_verified_authenticator(str(ada.pk), verification_method="EMAIL_OTP", email="b@example.com")
    manager.get(URL)
    manager.get(URL)
    manager.post(URL, {"remove": ids(authsignal, ada)[-1]})
    assert [(mail.to, mail.subject) for mail in mailoutbox] == [
        (["ada@example.com"], "A new way to prove it is you was added"),
        (["ada@example.com"], "A way to prove it is you was removed"),
    ]


@pytest.mark.security
def test_somebody_elses_is_not_removed(manager, bob, authsignal):
    bobs = authsignal.client.enroll_verified_authenticator(
        str(bob.pk), verification_method="EMAIL_OTP", email="bob@example.com"
    ).authenticator.user_authenticator_id
    manager.post(URL, {"remove": bobs})
    assert bobs in ids(authsignal, bob)


def test_adding_one_goes_to_authsignals_page_with_scopes_and_returns(manager, authsignal):
    assert manager.post(URL, {"add": "1"}).status_code == 303
    row = newest()
    assert row.kind == Kind.SETTINGS
    assert "add:authenticators" in authsignal.calls[-1].json["scope"]
    back = manager.callback(row, token=authsignal.token(str(row.pk)))
    assert back.headers["Location"] == URL


@pytest.mark.security
def test_returning_from_authsignals_settings_gives_no_pass(manager, authsignal, time_machine):
    from datetime import timedelta

    from django.utils import timezone

    time_machine.move_to(timezone.now() + timedelta(seconds=890))
    manager.post(URL, {"add": "1"})
    manager.prove()
    time_machine.move_to(timezone.now() + timedelta(seconds=20))
    assert manager.get(URL).status_code == 302


@pytest.mark.security
def test_coming_back_from_authsignals_settings_ends_what_began_before(manager, new_browser, ada, authsignal):
    other = new_browser()
    other.force_login(ada)
    other.get("/withdraw/")
    before = newest()
    manager.post(URL, {"add": "1"})
    row = newest()
    manager.prove(row)
    row.refresh_from_db()
    assert (row.status, row.reason) == (Status.SPENT, "returned")
    assert "open" not in manager.session["authsignal"] or not manager.session["authsignal"]["open"]
    other.prove(before)
    assert other.get("/withdraw/").status_code == 302
    before.refresh_from_db()
    assert (before.status, before.reason) == (Status.REVOKED, "authenticators_changed")


@pytest.mark.security
def test_somebody_who_is_no_longer_let_in_comes_back_from_there_to_nothing(manager, ada, authsignal):
    manager.post(URL, {"add": "1"})
    row = newest()
    type(ada).objects.filter(pk=ada.pk).update(is_active=False)  # by which no signal tells of it
    assert manager.callback(row, token=authsignal.token(str(row.pk))).headers.get("Location") != URL
    row.refresh_from_db()
    assert (row.status, row.reason) == (Status.OPEN, "inactive")


@pytest.mark.security
def test_one_removed_on_authsignals_own_page_drops_every_pass(manager, ada, authsignal):
    manager.step_up("/withdraw/")
    manager.get(URL)
    authsignal.client.delete_authenticator(str(ada.pk), ids(authsignal, ada)[-1])
    manager.get(URL)
    assert manager.get("/withdraw/").status_code == 302


def test_one_added_there_drops_nothing(manager, ada, authsignal):
    manager.step_up("/withdraw/")
    manager.get(URL)
    authsignal.client.enroll_verified_authenticator(str(ada.pk), verification_method="EMAIL_OTP", email="b@example.com")
    manager.get(URL)
    assert manager.get("/withdraw/").content == b"withdrawn"


@pytest.mark.security
def test_observing_others_does_not_open_the_authenticators(adas, settings):
    settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, "ENFORCE": "observe"}
    assert adas.get(URL).status_code == 302


@pytest.mark.security
def test_scopes_are_asked_for_only_with_a_pass(adas, authsignal):
    adas.post(URL, {"add": "1"})
    assert all("scope" not in (call.json or {}) for call in authsignal.calls)


def test_an_outage_is_a_503(manager, authsignal):
    authsignal.fail("refused")
    assert manager.get(URL).status_code == 503
