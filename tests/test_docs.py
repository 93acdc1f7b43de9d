"""The documents say what the code says."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

import django_authsignal
from django_authsignal import checks, signals
from django_authsignal.conf import KEYS

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
    assert f"| `{name}` |" in page("reference")


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


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.S))
def test_the_readmes_code_compiles(block):
    ast.parse(block)


def test_the_version_is_one():
    declared = re.search(r"^version = (.+)$", (ROOT / "setup.cfg").read_text(), re.M)[1]
    assert declared == django_authsignal.__version__
    assert declared in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.skipif(not TRACKED, reason="not a git checkout, so nothing says which files are ours")
def test_no_file_speaks_of_somebodys_machine():
    homes = re.compile(r"(?<![\w.])/(?:root|work|home/\w+)/")
    texts = [ROOT / name for name in TRACKED if name.endswith((".py", ".md", ".cfg", ".html", ".js", ".css", "run"))]
    assert [str(path) for path in texts if path.exists() and homes.search(path.read_text())] == []
