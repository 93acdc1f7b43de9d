"""Callables for ENFORCE: whom the gate stops while it is being introduced."""

from types import SimpleNamespace

import pytest

from django_authsignal import rollout
from django_authsignal.conf import problems


def user(pk, **more):
    return SimpleNamespace(pk=pk, **more)


def ask(rule, who=None, path="/", name=None):
    request = SimpleNamespace(path_info=path, resolver_match=SimpleNamespace(view_name=name))
    return rule(request, who or user(1), "withdrawFunds")


def share(rule, people=4000):
    return {pk for pk in range(people) if ask(rule, user(pk)) == "on"}


@pytest.mark.parametrize("percent", [0, 0.5, 10, 33.3, 100])
def test_a_percentage_is_that_share_of_the_users(percent):
    assert len(share(rollout.percentage(percent))) == pytest.approx(40 * percent, abs=70 if 0 < percent < 100 else 0)


def test_a_user_is_in_the_share_at_every_request_and_stays_when_it_grows():
    assert share(rollout.percentage(10)) == share(rollout.percentage(10)) < share(rollout.percentage(25))


def test_another_salt_picks_other_people():
    assert share(rollout.percentage(10)) != share(rollout.percentage(10, salt="b"))


def test_the_others_are_observed_or_left_alone():
    assert ask(rollout.percentage(0)) == "observe"
    assert ask(rollout.percentage(0, otherwise="off")) == "off"


@pytest.mark.django_db
def test_a_group_is_its_members(ada, bob):
    from django.contrib.auth.models import Group

    ada.groups.add(Group.objects.create(name="beta"))
    rule = rollout.group("alpha", "beta")
    assert [ask(rule, ada), ask(rule, bob)] == ["on", "observe"]


def test_staff_are_those_who_may_enter_the_admin():
    assert [ask(rollout.staff(), user(1, is_staff=flag)) for flag in (True, False)] == ["on", "observe"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/pay", "on"), ("/pay/", "on"), ("/pay/7/", "on"), ("/payments/", "observe"), ("/x/pay/", "observe")],
)
@pytest.mark.parametrize("prefix", ["/pay", "/pay/"])
def test_a_path_is_itself_and_all_below_it(prefix, path, expected):
    assert ask(rollout.paths(prefix), path=path) == expected


def test_the_root_is_every_path():
    assert ask(rollout.paths("/"), path="/anything/") == "on"


def test_views_are_known_by_name():
    rule = rollout.views("shop:pay")
    assert [ask(rule, name=name) for name in ("shop:pay", "pay", None)] == ["on", "observe", "observe"]


def on(request, who, action):
    return "on"


def off(request, who, action):
    return "off"


def observe(request, who, action):
    return "observe"


def nonsense(request, who, action):
    return None


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (rollout.any_of(off, observe), "observe"),
        (rollout.any_of(observe, on), "on"),
        (rollout.any_of(off, nonsense), "on"),
        (rollout.all_of(on, observe), "observe"),
        (rollout.all_of(observe, off), "off"),
        (rollout.all_of(on, nonsense), "on"),
        (rollout.exempt(on), "off"),
        (rollout.exempt(observe), "on"),
        (rollout.all_of(rollout.exempt(off), rollout.any_of(observe, rollout.percentage(100))), "on"),
    ],
    ids=repr,
)
def test_rules_together(rule, expected):
    assert ask(rule) == expected


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: rollout.percentage(101),
        lambda: rollout.percentage(-1),
        lambda: rollout.percentage("10"),
        lambda: rollout.percentage(True),
        lambda: rollout.percentage(float("nan")),
        lambda: rollout.percentage(10, otherwise="on"),
        lambda: rollout.group(),
        lambda: rollout.group(""),
        lambda: rollout.paths("pay/"),
        lambda: rollout.paths(),
        lambda: rollout.views(),
        lambda: rollout.any_of(),
        lambda: rollout.all_of("staff"),
        lambda: rollout.exempt(None),
    ],
)
def test_a_mistake_is_an_error_where_it_is_written(mistake):
    with pytest.raises(ValueError, match=r"[.]$"):
        mistake()


def test_a_rule_shows_how_it_was_written():
    rule = rollout.all_of(
        rollout.exempt(rollout.group("robots")),
        rollout.any_of(rollout.staff(otherwise="off"), rollout.percentage(10, salt="a", otherwise="off")),
    )
    assert repr(rule) == (
        "rollout.all_of(rollout.exempt(rollout.group('robots')), rollout.any_of(rollout.staff(otherwise='off'), "
        "rollout.percentage(10, salt='a', otherwise='off')))"
    )


def test_a_rule_is_a_sound_value_of_enforce():
    assert problems({"ENFORCE": rollout.percentage(10), "ACTIONS": {"pay": {"ENFORCE": rollout.staff()}}}) == []


def test_importing_it_reads_no_settings():
    import subprocess
    import sys

    code = "from django_authsignal import rollout; from django.conf import settings; assert not settings.configured"
    subprocess.run([sys.executable, "-c", code], check=True)
