"""Every string of the hosted pages in every language, and the language that a visitor gets."""

from __future__ import annotations

import ast
import gettext
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import requests
from django.template import Engine
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

import django_authsignal.emulator

from .conftest import Emulator

HERE = Path(django_authsignal.emulator.__file__).parent
LANGUAGES = ["de", "es", "fr", "ja", "mi"]
MODULES = [*HERE.glob("hosted*.py"), HERE / "magic_link.py"]
TEMPLATES = [*(HERE / "templates/emulator").glob("*.html")]  # the dashboard's, in their own folder, are in English


def strings_of_templates() -> set[str]:
    libraries = {"i18n": "django.templatetags.i18n", "static": "django.templatetags.static"}
    engine = Engine(dirs=[HERE / "templates"], libraries=libraries)
    found = set()
    for path in TEMPLATES:
        nodes = engine.get_template(f"emulator/{path.name}").nodelist
        found |= {str(node.filter_expression.var.literal) for node in nodes.get_nodes_by_type(TranslateNode)}
        found |= {node.render_token_list(node.singular)[0] for node in nodes.get_nodes_by_type(BlockTranslateNode)}
    return found


def strings_of_modules() -> set[str]:
    calls = [node for path in MODULES for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    marked = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "_"]
    return {str(ast.literal_eval(call.args[0])) for call in marked}


def catalog(language: str) -> gettext.GNUTranslations:
    with (HERE / "locale" / language / "LC_MESSAGES/django.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def test_the_pages_have_strings_in_templates_and_in_modules() -> None:
    assert "Try another way" in strings_of_templates()
    assert "We are taking you back to %(host)s." in strings_of_templates()
    assert "This link has expired" in strings_of_modules()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_string_is_translated(language: str) -> None:
    known = catalog(language)._catalog  # type: ignore[attr-defined] # gettext shows it no other way
    missing = {text for text in strings_of_templates() | strings_of_modules() if not known.get(text)}
    assert missing == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_keeps_what_is_filled_in(language: str) -> None:
    for text, translated in catalog(language)._catalog.items():  # type: ignore[attr-defined] # gettext shows it no other way
        if text:
            assert sorted(re.findall(r"%\(\w+\)s", text)) == sorted(re.findall(r"%\(\w+\)s", translated)), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalog_is_that_of_the_source(language: str, tmp_path: Path) -> None:
    msgfmt = shutil.which("msgfmt")
    if msgfmt is None:
        pytest.skip("msgfmt (GNU gettext) is missing: nothing compares django.po with django.mo")
    source = HERE / "locale" / language / "LC_MESSAGES/django.po"
    subprocess.run([msgfmt, "--check", "-o", tmp_path / "new.mo", source], check=True, timeout=30)
    with (tmp_path / "new.mo").open("rb") as file:
        assert gettext.GNUTranslations(file)._catalog == catalog(language)._catalog  # type: ignore[attr-defined] # gettext shows it no other way


def language_of(url: str, accepted: str = "") -> str:
    text = requests.get(url, headers={"Accept-Language": accepted}, timeout=10).text
    found = re.search(r'<html lang="([^"]+)"', text)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("tracked", "language"),
    [("de", "de"), ("fr_CA", "fr"), ("es-419", "es"), ("ja", "ja"), ("mi", "mi"), ("mi-NZ", "mi"), ("en", "en")],
)
def test_a_page_speaks_the_language_that_was_tracked(
    emulator: Emulator, user: str, tracked: str, language: str
) -> None:
    url = emulator.track(user, emulator.configure("CHALLENGE"), locale=tracked)["url"]
    assert language_of(url, "es") == language


def test_without_one_it_speaks_the_users(emulator: Emulator, user: str) -> None:
    emulator.server("PATCH", f"users/{user}", {"locale": "ja"})
    url = emulator.track(user, emulator.configure("CHALLENGE"))["url"]
    assert language_of(url, "es") == "ja"


@pytest.mark.parametrize("tracked", ["", "xx", "x" * 35, "../../etc", "zh"])
def test_an_unknown_one_leaves_it_to_the_browser(emulator: Emulator, user: str, tracked: str) -> None:
    url = emulator.track(user, emulator.configure("CHALLENGE"), locale=tracked)["url"]
    assert language_of(url, "mi, en;q=0.5") == "mi"
    assert language_of(url, "zh") == "en"


def test_the_page_is_translated_and_not_only_labelled(emulator: Emulator, user: str) -> None:
    url = emulator.track(user, emulator.configure("CHALLENGE"), locale="de")["url"]
    text = requests.get(url, timeout=10).text
    assert "Konto schützen" in text
    assert "Protect your account" not in text


def test_a_link_that_does_not_work_speaks_the_browsers_language(emulator: Emulator) -> None:
    assert language_of(f"{emulator.url}/challenge/?token=x", "fr-FR") == "fr"
