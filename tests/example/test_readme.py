"""A new project that follows the README to the letter, in a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
SETUP = README.partition("## Set up an existing project")[2].partition("\n## ")[0]
SETTINGS, URLS, VIEW = re.findall(r"```python\n(.*?)```", SETUP, re.S)
LOGIN_URL = re.search(r'`(LOGIN_URL = "[^"]+")`', SETUP)[1]  # type: ignore[index] # without a match the test must fail
ADDRESS = re.search(r"`(path\(.+?\))`", SETUP)[1]  # type: ignore[index] # without a match the test must fail

OPEN = """
import django
django.setup()
from django.core.management import call_command
from django.test import Client, override_settings
call_command("migrate", verbosity=0)
with override_settings(ALLOWED_HOSTS=["testserver"]):
    answer = Client().get("/withdraw/", headers={"Accept": "text/html"}, follow=True)
print(answer.status_code, answer.redirect_chain[-1][0], "id_password" in answer.text)
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project made by `startproject` and the README's steps."""
    folder = tmp_path_factory.mktemp("shop")
    _python(folder, "-m", "django", "startproject", "shop", ".")
    with (folder / "shop/settings.py").open("a") as settings:
        # Nothing listens at port 9.
        settings.write(f'\n{SETTINGS}\n{LOGIN_URL}\nAUTHSIGNAL = {{"API_URL": "http://localhost:9/v1"}}\n')
    (folder / "shop/views.py").write_text(VIEW)
    with (folder / "shop/urls.py").open("a") as urls:
        had = "\nfrom . import views\nhad = urlpatterns\n"
        urls.write(f"{had}{URLS}\nurlpatterns += [*had, {ADDRESS}]\n")
    return folder


def _python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "shop.settings"}
    if arguments[:2] == ("-m", "django"):
        del environment["DJANGO_SETTINGS_MODULE"]
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran


def test_a_new_project_that_follows_the_readme_has_no_fault_but_the_emulator_not_running(shop: Path) -> None:
    ran = _python(shop, "manage.py", "check")
    assert re.findall(r"\((\w+\.[EWCI]\d+)\)", ran.stderr) == ["authsignal.W006"]


def test_the_readmes_guarded_view_leads_a_stranger_to_a_sign_in_page_that_is_there(shop: Path) -> None:
    ran = _python(shop, "-c", OPEN)
    assert ran.stdout.split() == ["200", "/admin/login/?next=/withdraw/", "True"]
