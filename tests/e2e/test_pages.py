"""How every page of ours and of the bank looks and behaves: one tour stops at each and looks at it in the light and in
the dark, at three widths, with axe-core; watch.js, which runs in every page of every test here, watches the policy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import crowd
from tests.e2e.person import AuthenticatorApp, Person
from tests.emulator.hosted_browser import AXE, RUN_AXE
from tests.example.test_demo import Demo

pytestmark = pytest.mark.e2e
People = Callable[..., Person]

# What would move: animations and transitions that take any time.
MOVES = """() => [...document.querySelectorAll('*')].filter((one) => {
    const style = getComputedStyle(one);
    return style.animationName !== 'none' || style.transitionDuration.split(', ').some((time) => parseFloat(time) > 0);
}).length"""
WIDTHS = (320, 390, 1280)
PAGES = (
    "home",
    "sign-in",
    "wrong password",
    "without a password",
    "no way without a password",
    "sign-up",
    "sign-up again",
    "one more step",
    "account",
    "not finished",
    "withdraw",
    "too much",
    "receipt",
    "account after",
    "home signed in",
    "authenticators",
    "nothing was done",
    "proved",
    "review",
    "blocked",
    "unreachable",
    "failed",
)


@dataclass
class Looked:
    """What was seen of one page."""

    faults: list[str] = field(default_factory=list)
    lightness: dict[str, int] = field(default_factory=dict)  # of its ground by colour scheme, from 0 to 255
    overflows: list[int] = field(default_factory=list)  # widths in px at which it scrolls sideways
    moves: dict[str, int] = field(default_factory=dict)  # things that move, by what the person prefers


class Tour:
    """One person who opens every page and looks around."""

    def __init__(self, person: Person, emulator: str) -> None:
        self.person, self.page, self.emulator = person, person.page, emulator
        self.seen: dict[str, Looked] = {}

    def look(self, name: str) -> None:
        looked = self.seen[name] = Looked()
        expect(self.page.get_by_role("heading", level=1)).to_be_visible()
        assert self.page.url.startswith(self.person.bank)
        for motion in ("no-preference", "reduce"):
            self.page.emulate_media(reduced_motion=motion)  # type: ignore[arg-type] # one of those it takes
            looked.moves[motion] = self.page.evaluate(MOVES)
        self.page.evaluate(AXE)
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of those it takes
            looked.lightness[scheme] = ground(self.page)
            looked.faults += [f"{scheme}: {fault}" for fault in self.page.evaluate(RUN_AXE, scheme == "dark")]
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 700})
            if self.page.evaluate("document.documentElement.scrollWidth") > width:
                looked.overflows.append(width)

    def configure(self, outcome: str) -> None:
        self._manage("POST", "action-configurations", actionCode="withdrawFunds", defaultUserActionResult=outcome)

    def break_down(self, kind: str) -> None:
        self._manage("PUT", "faults", kind=kind)

    def mend(self) -> None:
        self._manage("DELETE", "faults")
        self.configure("CHALLENGE")

    def _manage(self, method: str, path: str, **body: str) -> None:
        url = f"{self.emulator}/v1/management/{path}"
        requests.request(method, url, json=body, auth=("emulator_secret", ""), timeout=10).raise_for_status()

    def before_signing_in(self) -> None:
        person, page = self.person, self.page
        person.open()
        self.look("home")
        person.open("/sign-in/")
        self.look("sign-in")
        person.give_password("not the password")
        self.look("wrong password")
        person.open("/authsignal/sign-in/")
        self.look("without a password")
        person.give_name()
        self.look("no way without a password")
        person.open("/sign-up/")
        self.look("sign-up")
        page.fill("input[name=username]", "ada")
        page.fill("input[name=email]", "a@example.com")
        page.fill("input[name=password1]", "one of them")
        page.fill("input[name=password2]", "another one")
        person.click("Open the account")
        self.look("sign-up again")

    def sign_up(self) -> None:
        # Without its script our page waits to be looked at.
        self.page.route("**/continue.js", lambda route: route.fulfill(content_type="text/javascript", body=""))
        self.person.fill_in_sign_up()
        self.look("one more step")
        self.page.unroute("**/continue.js")
        self.person.click("Continue")
        self.person.enrol_passkey()
        self.person.at_the_bank("/account/")
        self.look("account")

    def withdraw(self) -> None:
        person, page = self.person, self.page
        person.click("Withdraw money")
        person.leave_it()
        self.look("not finished")
        person.click("Continue")
        person.use_passkey()
        person.at_the_bank("/account/withdraw/")
        self.look("withdraw")
        person.withdraw("9999")
        self.look("too much")
        person.withdraw("1.25")
        page.wait_for_url(re.compile("/account/entries/"))
        self.look("receipt")
        person.open("/account/")
        self.look("account after")
        person.open()
        self.look("home signed in")
        person.open("/authsignal/authenticators/")
        person.use_passkey()
        person.at_the_bank("/authsignal/authenticators/")
        self.look("authenticators")

    def go_wrong(self) -> None:
        person = self.person
        person.open("/account/withdraw/")
        person.page.context.clear_cookies(name="authsignal_browser")
        person.withdraw("2")
        href = person.page.locator("a[target=_blank]", has_text="Prove it is you").get_attribute("href")
        person.use_passkey_in_dialog()
        self.look("nothing was done")
        person.open(str(href))
        self.look("proved")
        person.open("/account/withdraw/")
        person.use_passkey()
        person.at_the_bank("/account/withdraw/")
        person.page.context.clear_cookies(name="authsignal_browser")
        person.open("/account/")
        person.use_passkey()
        person.at_the_bank("/account/")
        for outcome, name in (("REVIEW", "review"), ("BLOCK", "blocked")):
            self.configure(outcome)
            person.open(f"/account/withdraw/?{outcome}")
            self.look(name)
        self.break_down("500")
        person.open("/account/withdraw/?broken")
        self.look("unreachable")
        self.mend()
        person.open("/authsignal/challenges/3f0c2c5e-8a57-4b3c-9f0e-000000000000/")
        self.look("failed")


@pytest.fixture(scope="module")
def tour(demo: Demo, chromium: Browser) -> Iterator[Tour]:
    with crowd(demo, chromium) as make:
        walking = Tour(make(), f"http://localhost:{demo.emulator_port}")
        try:
            walking.before_signing_in()
            walking.sign_up()
            walking.withdraw()
            walking.go_wrong()
        finally:
            walking.mend()
        yield walking


def ground(page: Page) -> int:
    """How light the page's ground is, from 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return max(int(part) for part in re.findall(r"\d+", colour)[:3])


@pytest.mark.long
def test_the_tour_has_looked_at_every_page(tour: Tour) -> None:
    assert tuple(tour.seen) == PAGES


@pytest.mark.long
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_fault_in_the_light_or_in_the_dark(tour: Tour, name: str) -> None:
    assert tour.seen[name].faults == []


@pytest.mark.long
def test_no_page_scrolls_sideways_on_a_phone_or_a_desktop(tour: Tour) -> None:
    assert {name: one.overflows for name, one in tour.seen.items() if one.overflows} == {}


@pytest.mark.long
def test_every_page_is_light_in_the_light_and_dark_in_the_dark(tour: Tour) -> None:
    for name, looked in tour.seen.items():
        assert looked.lightness["dark"] < 60 < 200 < looked.lightness["light"], name


@pytest.mark.long
def test_nothing_moves_for_somebody_who_wants_little_motion(tour: Tour) -> None:
    assert {name: one.moves["reduce"] for name, one in tour.seen.items() if one.moves["reduce"]} == {}
    assert tour.seen["receipt"].moves["no-preference"] > 0  # there is something that could


@pytest.mark.long
def test_the_staffs_menu_fits_on_one_line_of_a_phone(person: People, shell: Callable[[str], str]) -> None:
    staff = person()
    staff.sign_up()
    found = f"User.objects.filter(username={staff.name!r})"
    shell(f"from django.contrib.auth.models import User; {found}.update(is_staff=True)")
    staff.enrol_passkey()
    staff.at_the_bank("/account/")
    menu = staff.page.get_by_role("navigation").first
    tops = menu.locator("a, button").evaluate_all("all => all.map((one) => one.getBoundingClientRect().top)")
    assert len(tops) == 4
    assert len(set(tops)) == 1


def test_a_code_is_asked_for_without_a_complaint(bob: tuple[Person, AuthenticatorApp]) -> None:
    person, _ = bob
    person.open("/account/withdraw/")
    person.type_code("000000")
    expect(person.page.get_by_role("alert")).to_be_visible()


def test_the_watch_itself_sees_what_is_wrong(person: People) -> None:
    new = person()
    new.open("/")
    new.page.evaluate("""() => {
        const wrong = document.createElement("p");
        wrong.innerHTML = "<span style='color: red'>x</span>";
        document.body.append(wrong);
    }""")
    new.page.wait_for_function("true")  # the complaint has come before this answer
    assert any("style-src" in complaint for complaint in new.complaints)
    new.complaints.clear()


def test_a_strict_policy_is_on_every_page_of_the_bank(ada: Person) -> None:
    for path in ("/", "/account/", "/authsignal/sign-in/", "/admin/login/"):
        answer = ada.page.goto(ada.bank + path)
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
