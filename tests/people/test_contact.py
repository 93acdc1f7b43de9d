"""An address leaves the house only when the project calls it verified."""

import pytest

from django_authsignal import contact
from django_authsignal.client import CLEAR
from django_authsignal.contact import Contact, mask
from tests.conftest import newest

FIELD = "django_authsignal.contact.email_field"


class Number:
    """As django-phonenumber-field's values."""

    as_e164 = "+6421123456"

    def __str__(self):
        return "021 123 456"


@pytest.fixture
def configure(settings):
    """Adds keys to AUTHSIGNAL."""

    def add(**keys):
        settings.AUTHSIGNAL = {**settings.AUTHSIGNAL, **keys}

    return add


def tracked(authsignal):
    """The attributes of the last track call."""
    return [call.json for call in authsignal.calls if call.operation == "track"][-1]


def test_by_default_no_address_is_told_to_authsignal(adas, authsignal, colour):
    adas.step_up(f"{colour}withdraw/")
    said = tracked(authsignal)
    assert "email" not in said
    assert "phoneNumber" not in said
    assert "ada@example.com" not in str([call.json for call in authsignal.calls])


def test_a_verified_address_is_told_with_the_question(adas, authsignal, configure, colour):
    configure(VERIFIED_EMAIL=FIELD, VERIFIED_PHONE=lambda user: "+6421123456")
    adas.step_up(f"{colour}withdraw/")
    said = tracked(authsignal)
    assert (said["email"], said["phoneNumber"]) == ("ada@example.com", "+6421123456")


def test_an_address_that_is_not_verified_is_not_told_even_when_track_attributes_names_it(adas, authsignal, configure):
    configure(
        VERIFIED_EMAIL=lambda user: None,
        VERIFIED_PHONE=lambda user: None,
        TRACK_ATTRIBUTES=lambda request, user, action: {"email": user.email, "phone_number": "+6421123456"},
    )
    adas.step_up()
    said = tracked(authsignal)
    assert "email" not in said
    assert "phoneNumber" not in said


def test_the_verified_address_wins_over_that_of_track_attributes(adas, authsignal, configure):
    configure(VERIFIED_EMAIL=FIELD, TRACK_ATTRIBUTES=lambda *args: {"email": "thief@example.com"})
    adas.step_up()
    assert tracked(authsignal)["email"] == "ada@example.com"


def test_without_a_verified_address_nobody_is_enrolled_by_mail(browser, ada, authsignal, configure):
    authsignal.unenrolled()
    configure(UNENROLLED="email", VERIFIED_EMAIL=lambda user: None, TRACK_ATTRIBUTES=lambda *args: {"email": "x@y.zz"})
    answer = browser.post("/login/", {"username": "ada", "password": "correct horse battery staple"})
    assert (answer.status_code, newest().reason) == (403, "not_enrolled")
    assert "enroll_verified_authenticator" not in [call.operation for call in authsignal.calls]


def test_the_verified_address_enrols_by_mail(browser, ada, authsignal, configure):
    authsignal.unenrolled()
    configure(UNENROLLED="email", VERIFIED_EMAIL=FIELD)
    browser.post("/login/", {"username": "ada", "password": "correct horse battery staple"})
    enrolments = [call.json for call in authsignal.calls if call.operation == "enroll_verified_authenticator"]
    assert [item["email"] for item in enrolments] == ["ada@example.com"]


@pytest.mark.parametrize(
    "given", ["nonsense", "a@b", "a@b.c\nBcc: x@y.zz", f"{'a' * 60}@{'b' * 300}.com", 5, ["a@b.cc"]]
)
def test_what_is_no_address_is_logged_and_not_told(ada, configure, caplog, given):
    configure(VERIFIED_EMAIL=lambda user: given)
    assert contact.of(ada) == Contact()
    assert "VERIFIED_EMAIL" in caplog.text
    assert "Return an e-mail address" in caplog.text
    assert str(given) not in caplog.text.replace(f"user {ada.pk}", "")


@pytest.mark.parametrize(
    "given", ["021 123 456", "+64 21 123 456", "6421123456", "+0123456789", "+1234567890123456", 5]
)
def test_what_is_no_international_number_is_logged_and_not_told(ada, configure, caplog, given):
    configure(VERIFIED_PHONE=lambda user: given)
    assert contact.of(ada) == Contact()
    assert "Return a number as +" in caplog.text


def test_a_number_that_knows_its_international_form_is_told_so(ada, configure):
    configure(VERIFIED_PHONE=lambda user: Number())
    assert contact.of(ada).phone == "+6421123456"


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_address_is_nothing_to_tell_and_takes_nothing_away(ada, configure, nothing):
    configure(VERIFIED_EMAIL=lambda user: nothing)
    assert contact.of(ada) == Contact()


def test_clear_takes_away_and_is_no_address_for_track(ada, configure):
    configure(VERIFIED_EMAIL=lambda user: CLEAR)
    assert contact.of(ada).email is CLEAR
    assert contact.for_track(ada) == {"email": None}


def test_a_user_model_without_an_email_field_has_no_address():
    assert contact.email_field(object()) is None


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("ada@example.com", "a***@e***.com"),
        ("+6421123456", "+64***56"),
        ("a@b", "a***@b***.b"),
        ("", "-"),
        (None, "-"),
        (CLEAR, "(removed)"),
    ],
)
def test_a_printed_address_is_masked(address, shown):
    assert mask(address) == shown


def test_the_repr_of_a_contact_shows_no_address():
    assert "ada" not in repr(Contact(email="ada@example.com", phone="+6421123456"))
