"""The emulator's OpenAPI document: complete, and true of what it answers."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, checks

from tests.pairs import EVERY

from .conftest import ROOT, Emulator, start, stop

CHECKS = [
    checks.not_a_server_error,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.status_code_conformance,
]
# These make the emulator call addresses, or fail on purpose.
NOT_FUZZED = {"POST /management/webhooks", "PATCH /management/webhooks/{webhook}", "PUT /management/faults"}
# For each operation.
POSITIVE, NEGATIVE = (8, 4) if EVERY else (3, 2)
EXAMPLES = {GenerationMode.POSITIVE: POSITIVE, GenerationMode.NEGATIVE: NEGATIVE}


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One of its own: the fuzzer switches methods off, and changes the tenant."""
    running = start(tmp_path_factory.mktemp("fuzzed"))
    yield running
    log = (running.clock_file.parent / "stderr").read_text()
    stop(running)
    assert "Traceback" not in log, log


@pytest.fixture(scope="module")
def document(fuzzed: Emulator) -> Any:
    return requests.get(f"{fuzzed.url}/openapi.json", timeout=9).json()


def test_every_route_is_described_and_nothing_else() -> None:
    ask = "import django; django.setup(); from django_authsignal.emulator import openapi as o; print(o.mistakes())"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "django_authsignal.emulator.settings"}
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_it_is_served_at_both_addresses_to_any_page(fuzzed: Emulator, document: Any) -> None:
    below = requests.get(f"{fuzzed.api}/openapi.json", timeout=9)
    assert below.json() == document
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": fuzzed.api}]
    assert below.headers["Content-Type"] == "application/json"
    assert below.headers["Access-Control-Allow-Origin"] == "*"


def test_every_operation_has_a_summary_an_id_and_the_shape_of_errors(document: Any) -> None:
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert all(one["summary"] for one in operations)
    assert len({one["operationId"] for one in operations}) == len(operations)
    error = {"$ref": "#/components/schemas/Error"}
    assert all(one["responses"]["default"]["content"]["application/json"]["schema"] == error for one in operations)
    assert document["components"]["schemas"]["Error"]["required"] == ["error", "errorCode", "errorDescription"]


@pytest.mark.long
@pytest.mark.parametrize("mode", EXAMPLES, ids=lambda mode: mode.value)
def test_whatever_is_sent_the_answer_is_as_described(fuzzed: Emulator, document: Any, mode: GenerationMode) -> None:
    token = fuzzed.track("fuzzed", fuzzed.configure("CHALLENGE"), scope="add:authenticators")["token"]
    client, server = f"Bearer {token}", f"Basic {b64encode(f'{fuzzed.secret}:'.encode()).decode()}"
    wrong: list[str] = []
    with requests.Session() as session:
        for found in schemathesis.openapi.from_dict(document).get_all_operations():
            operation = found.ok()
            if operation.label in NOT_FUZZED:
                continue
            authorization = client if operation.path.startswith("/client/") else server
            call = partial(
                schemathesis.Case.call_and_validate,
                base_url=fuzzed.api,
                headers={"Authorization": authorization},
                session=session,
                checks=CHECKS,
                timeout=15,
            )
            try:
                fuzz(operation, mode, call)
            except (Exception, BaseExceptionGroup) as exc:
                wrong.append(f"{operation.label}: {exc}")
    assert wrong == []


def fuzz(operation: Any, mode: GenerationMode, call: Callable[[Any], Any]) -> None:
    """Raises what the first wrong answer does. The same examples every time: a failure must come again."""
    given_to = given(case=operation.as_strategy(generation_mode=mode))
    bounded = settings(
        max_examples=EXAMPLES[mode],
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    bounded(given_to(lambda case: call(case) and None))()
