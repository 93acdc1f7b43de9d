"""The documents say what the code says."""

import inspect
import re
import subprocess
from pathlib import Path

import pytest

import django_authsignal
from django_authsignal import (
    authenticators,
    checks,
    flow,
    ledger,
    receivers,
    resets,
    responses,
    reviews,
    signals,
    usernameless,
)
from django_authsignal.client import Client
from django_authsignal.conf import KEYS, problems
from django_authsignal.contrib.rest_framework import ChallengeRequiredMixin as ApiChallengeRequiredMixin
from django_authsignal.contrib.rest_framework import SignInMixin as ApiSignInMixin
from django_authsignal.decorators import challenge_required
from django_authsignal.emulator import __main__ as emulator
from django_authsignal.events import reactions
from django_authsignal.mixins import ChallengeRequiredMixin
from django_authsignal.models import Status
from django_authsignal.people import following

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()


def page(name):
    return (ROOT / "docs" / f"{name}.md").read_text()


@pytest.mark.parametrize("key", KEYS)
def test_every_setting_is_documented(key):
    assert f"| `{key}` |" in page("settings")


@pytest.mark.parametrize("name", [name for name in vars(signals) if re.fullmatch("[a-z][a-z_]+", name)])
def test_every_signal_is_documented(name):
    assert f"| `{name}` |" in page("ledger")


@pytest.mark.parametrize("status", Status.values)
def test_every_status_of_the_ledger_is_documented(status):
    assert f"| `{status}` |" in page("ledger")


def test_every_reason_of_the_ledger_is_documented():
    deciding, revoking = (
        (flow, ledger, reviews, usernameless),
        (authenticators, receivers, resets, reactions, following),
    )
    sources = "".join(Path(module.__file__).read_text() for module in (*deciding, *revoking))
    written = r'reason="(\w+)"|row\.reason = "(\w+)"|\brow, "(\w+)"(?:, state|\)| if known else "(\w+)")'
    found = {name for names in re.findall(written, sources) for name in names if name}
    for answering in (flow.refusal_of, ledger.user_of):
        found |= set(re.findall(r'(?:return|else) "(\w+)"', inspect.getsource(answering)))
    assert len(found) > 15
    assert {name for name in found if f"`{name}`" not in page("ledger")} == set()


def test_every_operation_of_the_client_is_documented():
    operations = [name for name, value in vars(Client).items() if inspect.isfunction(value) and name[0] != "_"]
    assert [name for name in operations if name != "close" and f"`{name}" not in page("client")] == []


def test_every_check_is_documented():
    ids = set(re.findall(r'id="(authsignal\.[EW]\d+)"', Path(checks.__file__).read_text()))
    assert ids == set(re.findall(r"\| `(authsignal\.[EW]\d+)`", page("reference")))


def test_every_template_is_documented():
    folder = Path(django_authsignal.__file__).parent / "templates" / "authsignal"
    assert [path.name for path in folder.glob("*.html") if path.name not in page("guide")] == []


def test_every_test_of_the_threat_model_exists():
    named = set(re.findall(r"`(test_\w+)`", page("threat-model")))
    written = {
        name
        for path in ROOT.joinpath("tests").rglob("*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert named
    assert named - written == set()


def test_every_mail_is_documented():
    folder = Path(django_authsignal.__file__).parent / "templates" / "authsignal" / "mail"
    assert len(list(folder.iterdir())) > 5
    documented = page("losing-it") + page("webhooks")
    assert [path.name for path in folder.iterdir() if path.name not in documented] == []


BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_readmes_code_runs(block):
    exec(compile(block, "README.md", "exec"), {})


@pytest.mark.parametrize("block", [block for block in BLOCKS if "AUTHSIGNAL =" in block])
def test_the_readmes_settings_are_sound(block):
    found = {}
    exec(compile(block, "README.md", "exec"), found)
    assert problems(found["AUTHSIGNAL"]) == []


@pytest.mark.parametrize("name", [*inspect.signature(challenge_required).parameters])
def test_every_argument_of_the_decorator_is_documented(name):
    assert re.search(rf"\b{name}\b", page("guide"))


@pytest.mark.parametrize("name", [name for name in vars(ChallengeRequiredMixin) if name.startswith("challenge_")])
def test_every_attribute_of_the_mixin_is_documented(name):
    assert f"`{name}`" in page("guide")


@pytest.mark.parametrize("mixin", [ApiChallengeRequiredMixin, ApiSignInMixin])
def test_every_attribute_of_the_mixins_for_apis_is_documented(mixin):
    names = [name for name in vars(mixin) if re.match("challenge_|get_challenge|require_", name)]
    assert names
    assert [name for name in names if f"{name}" not in page("api-clients") and name != "challenge_requirements"] == []


@pytest.mark.parametrize("verdict", responses.PROBLEMS)
def test_every_problem_is_documented(verdict):
    code, status, _ = responses.PROBLEMS[verdict]
    assert f"| {status} | `{code}` |" in page("api-clients")


def test_every_option_of_the_emulator_is_documented():
    declared = set(re.findall(r'add_argument\("(--[a-z-]+)"', Path(emulator.__file__).read_text()))
    assert declared == set(re.findall(r"\| `(--[a-z-]+)` \|", page("emulator")))


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"], ids=lambda p: p.name
)
def test_links_to_files_lead_somewhere(path):
    linked = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())
    assert [name for name in linked if not (ROOT / name).exists()] == []


def test_the_version_is_one():
    declared = re.search(r"^version = (.+)$", (ROOT / "setup.cfg").read_text(), re.M)[1]
    assert declared == django_authsignal.__version__
    assert declared in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.skipif(not TRACKED, reason="not a git checkout, so nothing says which files are ours")
def test_no_file_speaks_of_somebodys_machine():
    homes = re.compile(r"(?<![\w.])/(?:root|work|home/\w+)/")
    texts = [ROOT / name for name in TRACKED if name.endswith((".py", ".md", ".cfg", ".html", ".js", ".css", "run"))]
    assert [str(path) for path in texts if path.exists() and homes.search(path.read_text())] == []
