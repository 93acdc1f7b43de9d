"""WebSockets: the gate at the moment of the act. What the handshake saw may be hours old."""

import json
from datetime import datetime, timedelta

import pytest
import time_machine
from asgiref.sync import async_to_sync, sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from django.contrib.auth import get_user_model

from django_authsignal.client import ConfigurationError
from django_authsignal.contrib.channels import apassed, arequire, passed, problem, require
from django_authsignal.decision import AuthsignalInterrupt
from django_authsignal.models import Challenge, Channel, Status
from tests.conftest import PASSWORD, newest

pytestmark = pytest.mark.django_db(transaction=True)
ASKED = {
    "withdraw": ("withdrawFunds", {}),
    "young": ("withdrawFunds", {"max_age": 60}),
    "delete": ("deleteAccount", {}),
}


def asked_for(content):
    if content["do"] == "pay":
        return "payInvoice", {"bind": {"amount": content["amount"], "payee": "Zoë"}}
    return ASKED[content["do"]]


class Consumer(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content):
        await self.send_json(await self.answer(content))

    async def answer(self, content):
        if content["do"] == "look":
            return {"passed": await apassed(self.scope, "withdrawFunds")}
        action, how = asked_for(content)
        try:
            values = await arequire(self.scope, action, return_to="/home/", **how)
        except AuthsignalInterrupt as exc:
            return problem(exc)
        return {"done": content["do"], "by": str(self.scope["user"].pk), "values": dict(values)}


class SyncConsumer(JsonWebsocketConsumer):
    def receive_json(self, content):
        self.send_json(self.answer(content))

    def answer(self, content):
        if content["do"] == "look":
            return {"passed": passed(self.scope, "withdrawFunds")}
        action, how = asked_for(content)
        try:
            values = require(self.scope, action, return_to="/home/", **how)
        except AuthsignalInterrupt as exc:
            return problem(exc)
        return {"done": content["do"], "by": str(self.scope["user"].pk), "values": dict(values)}


class KeyConsumer(AsyncJsonWebsocketConsumer):
    """Opened by a key in a header; whoever has it is ada."""

    async def connect(self):
        self.key = dict(self.scope["headers"]).get(b"x-api-key", b"").decode()
        self.scope["user"] = await sync_to_async(get_user_model().objects.get)(username="ada")
        await self.accept()

    async def receive_json(self, content):
        try:
            await arequire(self.scope, "withdrawFunds", credential=self.key, token=content.get("token", ""))
            answer = {"done": True}
        except AuthsignalInterrupt as exc:
            answer = problem(exc)
        await self.send_json(answer)


class Connection:
    """A WebSocket of a browser, or of nobody's."""

    def __init__(self, consumer, browser=None, *, origin="http://testserver", **headers):
        found = {"host": "testserver", "origin": origin, **headers}
        if browser is not None:
            found["cookie"] = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in found.items() if value]
        app = consumer.as_asgi() if consumer is KeyConsumer else AuthMiddlewareStack(consumer.as_asgi())
        scope = {"type": "websocket", "path": "/ws/bank/", "query_string": b"", "headers": pairs, "subprotocols": []}
        # channels' own communicator needs daphne
        self.pipe = ApplicationCommunicator(app, scope)

    async def open(self):
        await self.pipe.send_input({"type": "websocket.connect"})
        assert (await self.pipe.receive_output(5))["type"] == "websocket.accept"
        return self

    async def tell(self, **content):
        await self.pipe.send_input({"type": "websocket.receive", "text": json.dumps(content)})

    async def hear(self):
        return json.loads((await self.pipe.receive_output(5))["text"])

    async def send(self, **content):
        await self.tell(**content)
        return await self.hear()

    async def close(self):
        await self.pipe.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.pipe.wait(5)


@pytest.fixture(params=[Consumer, SyncConsumer], ids=["async", "sync"])
def consumer(request):
    return request.param


def walk(steps):
    """Runs an async test: the plugin's fixtures are sync."""
    async_to_sync(steps)()


def in_browser(call):
    return sync_to_async(call)()


@pytest.fixture
def signed_in(browser, ada):
    browser.sign_in()
    return browser


def test_an_act_asks_without_a_proof_and_goes_on_with_one(signed_in, ada, authsignal, consumer):
    async def steps():
        wire = await Connection(consumer, signed_in).open()
        refused = await wire.send(do="withdraw")
        assert refused["code"] == "challenge_required"
        assert {"action", "challengeId", "url", "token", "expiresAt"} <= refused.keys()
        back = await in_browser(signed_in.prove)
        assert back["Location"] == "/home/"
        assert await wire.send(do="withdraw") == {"done": "withdraw", "by": str(ada.pk), "values": {}}
        assert await wire.send(do="look") == {"passed": True}
        await wire.close()

    walk(steps)
    assert Challenge.objects.get(action="withdrawFunds").path == "/ws/bank/"


def test_an_act_is_refused_on_block(signed_in, authsignal, consumer):
    authsignal.block()

    async def steps():
        wire = await Connection(consumer, signed_in).open()
        assert (await wire.send(do="withdraw"))["code"] == "action_blocked"
        await wire.close()

    walk(steps)


@pytest.mark.usefixtures("one_window")
def test_an_act_is_refused_when_too_much_was_begun(signed_in, authsignal, consumer, configure):
    configure(LIMITS={"START": {"USER": 1, "SESSION": None, "ADDRESS": None}})
    signed_in.post("/pay/", {"amount": "1", "payee": "x"})

    async def steps():
        wire = await Connection(consumer, signed_in).open()
        assert (await wire.send(do="withdraw"))["code"] == "too_many_tries"
        await wire.close()

    walk(steps)


def test_the_age_of_a_proof_is_looked_at_when_somebody_acts(signed_in, ada, consumer):
    async def steps():
        wire = await Connection(consumer, signed_in).open()
        await wire.send(do="withdraw")
        await in_browser(signed_in.prove)
        assert (await wire.send(do="young"))["done"] == "young"
        with time_machine.travel(datetime.now().astimezone() + timedelta(seconds=61)):
            assert (await wire.send(do="young"))["code"] == "challenge_required"
            assert (await wire.send(do="withdraw"))["done"] == "withdraw", "that one counts for 900 s"
        with time_machine.travel(datetime.now().astimezone() + timedelta(seconds=901)):
            assert await wire.send(do="look") == {"passed": False}
        await wire.close()

    walk(steps)


def log_out(browser, ada):
    browser.post("/logout/")


def log_out_elsewhere(browser, ada):
    browser.session.flush()


def change_password(browser, ada):
    ada.set_password("another long password")
    ada.save()


def deactivate(browser, ada):
    ada.is_active = False
    ada.save()


def become_another(browser, ada):
    """Somebody else signs in with this very session's key."""
    session = browser.session
    bob = get_user_model().objects.create_user("bob", password=PASSWORD)
    session["_auth_user_id"], session["_auth_user_hash"] = str(bob.pk), bob.get_session_auth_hash()
    session.save()


@pytest.mark.parametrize(
    "change", [log_out, log_out_elsewhere, change_password, deactivate, become_another], ids=lambda call: call.__name__
)
def test_what_ended_since_the_handshake_ended_here_too(signed_in, ada, consumer, change):
    async def steps():
        wire = await Connection(consumer, signed_in).open()
        await wire.send(do="withdraw")
        await in_browser(signed_in.prove)
        assert (await wire.send(do="withdraw"))["done"]
        await sync_to_async(change)(signed_in, ada)
        assert (await wire.send(do="withdraw"))["code"] == "sign_in_required"
        assert await wire.send(do="look") == {"passed": False}
        await wire.close()

    walk(steps)


def test_a_proof_for_one_act_serves_one(signed_in, consumer):
    async def steps():
        wire, other = await Connection(consumer, signed_in).open(), await Connection(consumer, signed_in).open()
        await wire.send(do="delete")
        await in_browser(signed_in.prove)
        answers = [await wire.send(do="delete"), await other.send(do="delete"), await wire.send(do="delete")]
        assert [answer.get("code") for answer in answers] == [None, "challenge_required", "challenge_required"]
        await wire.close()
        await other.close()

    walk(steps)


def test_of_two_acts_at_once_one_gets_the_proof(signed_in):
    async def steps():
        wires = [await Connection(Consumer, signed_in).open() for _ in range(4)]
        await wires[0].send(do="delete")
        await in_browser(signed_in.prove)
        for wire in wires:
            await wire.tell(do="delete")
        answers = [await wire.hear() for wire in wires]
        assert sum("done" in answer for answer in answers) == 1
        for wire in wires:
            await wire.close()

    walk(steps)


def test_a_proof_is_for_the_values_it_was_asked_for(signed_in, authsignal, consumer):
    async def steps():
        wire = await Connection(consumer, signed_in).open()
        await wire.send(do="pay", amount="250.00")
        assert authsignal.calls[-1].json["custom"] == {"amount": "250.00", "payee": "Zoë"}
        await in_browser(signed_in.prove)
        assert (await wire.send(do="pay", amount="9999"))["code"] == "challenge_required"
        paid = await wire.send(do="pay", amount="250.00")
        assert paid["values"] == {"amount": "250.00", "payee": "Zoë"}
        assert (await wire.send(do="pay", amount="250.00"))["code"] == "challenge_required"
        await wire.close()

    walk(steps)


def test_what_is_begun_here_is_finished_by_this_browser_alone(signed_in, new_browser, authsignal):
    async def steps():
        wire = await Connection(Consumer, signed_in).open()
        await wire.send(do="withdraw")
        await wire.close()

    walk(steps)
    thief = new_browser()
    thief.cookies["sessionid"] = signed_in.cookies["sessionid"].value
    thief.prove()
    assert newest().status == Status.OPEN


def test_a_copied_session_cookie_opens_nothing(signed_in, new_browser, authsignal, consumer):
    signed_in.step_up()
    thief = new_browser()
    thief.cookies["sessionid"] = signed_in.cookies["sessionid"].value
    authsignal.calls.clear()

    async def steps():
        wire = await Connection(consumer, thief).open()
        refused = await wire.send(do="withdraw")
        assert (refused["code"], "url" in refused) == ("challenge_required", False)
        await wire.close()

    walk(steps)
    assert authsignal.calls == []


def test_a_handshake_from_another_sites_page_is_refused(signed_in, authsignal, consumer):
    signed_in.step_up()
    authsignal.calls.clear()

    async def steps():
        wire = await Connection(consumer, signed_in, origin="https://evil.example").open()
        assert (await wire.send(do="withdraw"))["code"] == "action_blocked"
        await wire.close()

    walk(steps)
    assert authsignal.calls == []


def test_nobody_is_told_to_sign_in(new_browser, db, consumer):
    async def steps():
        wire = await Connection(consumer, new_browser()).open()
        assert (await wire.send(do="withdraw"))["code"] == "sign_in_required"
        await wire.close()

    walk(steps)


def test_an_outage_opens_nothing(signed_in, authsignal, consumer):
    authsignal.fail("timeout")

    async def steps():
        wire = await Connection(consumer, signed_in).open()
        assert (await wire.send(do="withdraw"))["code"] == "authsignal_unreachable"
        await wire.close()

    walk(steps)


def test_a_key_has_proofs_of_its_own(ada, authsignal):
    async def steps():
        mine, theirs = (
            await Connection(KeyConsumer, x_api_key="one").open(),
            await Connection(KeyConsumer, x_api_key="two").open(),
        )
        refused = await mine.send()
        token = authsignal.complete(refused["challengeId"])
        assert (await theirs.send(token=token))["code"] == "challenge_required"
        assert await mine.send(token=token) == {"done": True}
        assert await mine.send() == {"done": True}
        assert (await theirs.send())["code"] == "challenge_required"
        await sync_to_async(deactivate)(None, ada)
        assert (await mine.send())["code"] == "sign_in_required"
        await mine.close()
        await theirs.close()

    walk(steps)
    assert set(Challenge.objects.values_list("channel", flat=True)) == {Channel.API}


def test_a_connection_without_a_session_is_an_error_that_says_how(ada):
    with pytest.raises(ConfigurationError, match="AuthMiddlewareStack"):
        require({"type": "websocket", "path": "/", "headers": [], "user": ada}, "withdrawFunds")


def test_a_connection_over_tls_knows_its_binding_cookie(ada, settings):
    from django_authsignal.contrib.channels import ConnectionRequest

    scope = {"scheme": "wss", "path": "/ws/", "headers": [(b"host", b"testserver")]}
    assert ConnectionRequest(scope, "/home/", "").is_secure()
