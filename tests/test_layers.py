"""The house: every arrow points down. Read from the imports, so a shortcut is a failing test."""

import ast
from pathlib import Path

import pytest

import django_authsignal

ROOT = Path(django_authsignal.__file__).parent
# One room a line.
LAYERS = {
    "edges": """
        admin
        admin_config
        ahead
        apps
        backends
        compat
        contrib
        coverage
        decorators
        doctor
        enforcement
        guards
        management
        middleware
        mixins
        receivers
        reset_admin
        templatetags
        urls
        views
    """,
    "flow": """
        addresses
        arrivals
        authenticators
        bearer
        binding
        break_glass
        browser
        channel
        connections
        contact
        deadlines
        decision
        events
        flow
        hints
        identity
        ledger
        limits
        methods
        notices
        observing
        people
        policy
        pruning
        resend
        resets
        responses
        reviews
        session
        signin
        steps
        usernameless
    """,
    "state": """
        calls
        checks
        conf
        deadline_conf
        limit_conf
        lockouts
        migrations
        models
        password_backends
        rollout
        signals
        address_views
        token_views
    """,
    "client": """
        client
    """,
}
ORDER = list(LAYERS)
LAYER_OF = {name: layer for layer, names in LAYERS.items() for name in names.split()}
# checks reads what every layer declares, to compare it with the settings; nothing but apps imports it.
EXCEPTIONS = {("checks", "backends"), ("checks", "usernameless"), ("models", "identity")}


def imports(path):
    """Every module a file imports, absolute, with those inside functions and TYPE_CHECKING."""
    package = ["django_authsignal", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def files(*parts):
    return sorted((ROOT.joinpath(*parts)).rglob("*.py"))


CORE = [path for path in files() if path.relative_to(ROOT).parts[0] not in ("emulator", "testing", "__init__.py")]


def room(name):
    """The first part of a module's name inside the package."""
    return name.split(".")[1] if name.startswith("django_authsignal.") else None


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    layer = ORDER.index(LAYER_OF[own])
    for name in imports(path):
        other = room(name)
        if other in LAYER_OF and (own, other) not in EXCEPTIONS:
            assert ORDER.index(LAYER_OF[other]) >= layer, f"{own} imports {name}, which stands above it"


def test_every_room_has_a_layer():
    rooms = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in CORE}
    assert rooms <= set(LAYER_OF)


@pytest.mark.parametrize("path", files("client"), ids=lambda path: path.name)
def test_the_client_imports_no_django(path):
    assert not [name for name in imports(path) if name.split(".")[0] == "django"]


@pytest.mark.parametrize("path", files("client"), ids=lambda path: path.name)
def test_the_client_imports_nothing_of_ours_but_itself(path):
    ours = [name for name in imports(path) if name.startswith("django_authsignal.")]
    assert [name for name in ours if room(name) not in ("client", "__version__")] == []


@pytest.mark.parametrize("path", files("emulator"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_emulator_shares_only_the_client_s_types(path):
    ours = [name for name in imports(path) if name.startswith("django_authsignal.")]
    foreign = [name for name in ours if room(name) not in ("emulator", "__version__")]
    assert [name for name in foreign if not name.startswith("django_authsignal.client.types")] == []


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_imports_the_emulator_or_the_tests_helpers(path):
    assert not [name for name in imports(path) if room(name) in ("emulator", "testing")]
