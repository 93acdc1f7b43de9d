"""The bank's own tests: `python example_project/manage.py test example_project.bank`."""

# ruff: noqa: PT009, PT027 -- a project like this one is tested with what Django brings: unittest

import logging
import threading
import uuid
from decimal import Decimal
from unittest import mock

from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, connection, transaction
from django.http import HttpResponse, QueryDict
from django.test import Client, SimpleTestCase, TestCase, TransactionTestCase, override_settings

from django_authsignal.models import Challenge, Status
from django_authsignal.testing.unittest import AuthsignalTestMixin
from example_project.bank import proofs, services
from example_project.bank.forms import SendForm, WithdrawForm
from example_project.bank.models import Account, Entry
from example_project.logs import RequestLines


def _account() -> Account:
    return services.open_account(User.objects.create_user("ida"), balance=Decimal("100.00"))


def _withdraw(account: Account, amount: str, nonce: uuid.UUID | None = None) -> Entry:
    return services.withdraw(account, Decimal(amount), text="Tea", nonce=nonce or uuid.uuid4())


class MoneyTests(TestCase):
    """What may happen to a balance."""

    def setUp(self) -> None:
        self.account = _account()

    def test_a_withdrawal_changes_the_balance_and_writes_one_entry(self) -> None:
        entry = _withdraw(self.account, "40.25")
        self.account.refresh_from_db()
        self.assertEqual((entry.amount, entry.balance_after), (Decimal("-40.25"), Decimal("59.75")))
        self.assertEqual(self.account.balance, Decimal("59.75"))

    def test_the_last_penny_can_be_taken_out(self) -> None:
        self.assertEqual(_withdraw(self.account, "100.00").balance_after, Decimal("0.00"))

    def test_more_than_the_balance_is_refused_and_nothing_is_written(self) -> None:
        with self.assertRaises(services.InsufficientFundsError) as caught:
            _withdraw(self.account, "100.01")
        self.assertEqual(caught.exception.balance, Decimal("100.00"))
        self.assertEqual(self.account.entries.count(), 1)

    def test_the_same_form_sent_twice_takes_the_money_once(self) -> None:
        nonce = uuid.uuid4()
        first, second = _withdraw(self.account, "10", nonce), _withdraw(self.account, "10", nonce)
        self.account.refresh_from_db()
        self.assertEqual(first.pk, second.pk)
        self.assertEqual(self.account.balance, Decimal("90.00"))

    def test_the_same_form_with_another_amount_is_refused(self) -> None:
        nonce = uuid.uuid4()
        _withdraw(self.account, "10", nonce)
        with self.assertRaises(services.FormAlreadyUsedError):
            _withdraw(self.account, "20", nonce)

    def test_the_same_form_for_something_else_is_refused(self) -> None:
        nonce = uuid.uuid4()
        _withdraw(self.account, "10", nonce)
        with self.assertRaises(services.FormAlreadyUsedError):
            services.withdraw(self.account, Decimal(10), text="Coffee", nonce=nonce)

    def test_the_database_itself_refuses_a_balance_under_zero(self) -> None:
        with self.assertRaises(IntegrityError), transaction.atomic():
            Account.objects.filter(pk=self.account.pk).update(balance=Decimal("-0.01"))


class ParallelMoneyTests(TransactionTestCase):
    """Two requests at the same moment."""

    def _in_threads(self, count: int, nonce: uuid.UUID | None) -> list[object]:
        account = _account()
        results: list[object] = []
        ready = threading.Barrier(count)

        def take() -> None:
            ready.wait()
            try:
                results.append(_withdraw(account, "60", nonce).pk)
            except services.InsufficientFundsError as error:
                results.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=take) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    def test_two_withdrawals_cannot_both_find_the_same_money(self) -> None:
        results = self._in_threads(2, None)
        self.assertEqual(sorted(isinstance(item, int) for item in results), [False, True])
        self.assertEqual(Account.objects.get().balance, Decimal("40.00"))

    def test_a_double_click_finds_one_entry(self) -> None:
        results = self._in_threads(2, uuid.uuid4())
        self.assertEqual(len(results), 2)
        self.assertEqual(len(set(results)), 1)
        self.assertEqual(Account.objects.get().balance, Decimal("40.00"))


class FormTests(SimpleTestCase):
    """Amounts that a person may write."""

    def _errors(self, amount: str) -> list[str]:
        form = WithdrawForm({"amount": amount, "nonce": str(uuid.uuid4())})
        return [str(error) for error in form.errors.get("amount", [])]

    def test_plain_amounts_are_taken(self) -> None:
        for amount in ("25", "25.5", "25.50", "0.01", "1000"):
            with self.subTest(amount):
                self.assertEqual(self._errors(amount), [])

    def test_every_other_amount_is_answered_with_one_sentence(self) -> None:
        for amount in ("", "0", "-5", "1.234", "1000.01", "ten", "NaN", "Infinity", "1e400", "1,50"):
            with self.subTest(amount):
                self.assertEqual(len(self._errors(amount)), 1)

    def test_the_browser_takes_every_plain_amount(self) -> None:
        for amount in ("25", "25.5", "25.50", "0.01", ".5", "5.", "007", " 25 ", "1000", "1000.00"):
            with self.subTest(amount):
                self.assertEqual(self._errors(amount), [])
                self.assertRegex(amount, self._pattern())

    def test_the_browser_refuses_what_the_form_would_refuse_after_the_proof(self) -> None:
        amounts = ("0", "0.00", "-5", "1.234", "1000.01", "1001", "9999", "ten", "NaN", "1e2", "1,50", ".")
        for amount in amounts:
            with self.subTest(amount):
                self.assertNotRegex(amount, self._pattern())

    def _pattern(self) -> str:
        return f"^(?:{SendForm().fields['amount'].widget.attrs['pattern']})$"

    def test_a_form_without_its_nonce_is_refused(self) -> None:
        self.assertIn("nonce", WithdrawForm({"amount": "5"}).errors)

    def test_a_renewed_form_keeps_what_was_written_under_another_nonce(self) -> None:
        nonce = str(uuid.uuid4())
        form = WithdrawForm(QueryDict(f"amount=5&text=Tea&nonce={nonce}"))
        form.renew()
        self.assertEqual((form["amount"].value(), form["text"].value()), ("5", "Tea"))
        self.assertNotEqual(form["nonce"].value(), nonce)


class PageTests(TestCase):
    """What visitors see."""

    def test_every_page_carries_the_strict_policy(self) -> None:
        for address in ("/", "/sign-in/", "/sign-up/", "/authsignal/sign-in/", "/nowhere/"):
            with self.subTest(address):
                policy = self.client.get(address).headers["Content-Security-Policy"]
                self.assertIn("default-src 'none'", policy)
                self.assertNotIn("unsafe", policy)

    def test_a_page_that_names_no_icon_gets_the_banks(self) -> None:
        self.assertRedirects(self.client.get("/favicon.ico"), "/static/bank/mark.svg", fetch_redirect_response=False)

    def test_the_first_page_shows_both_demo_users(self) -> None:
        page = self.client.get("/")
        self.assertContains(page, "harbour-lights-7")
        self.assertContains(page, "northern-tide-4")

    @override_settings(SHOW_DEMO_USERS=False)
    def test_passwords_are_shown_only_in_the_demo(self) -> None:
        for address in ("/", "/sign-in/?as=ada"):
            self.assertNotContains(self.client.get(address), "harbour-lights-7")

    def test_the_sign_in_form_can_be_filled_in_with_a_demo_user(self) -> None:
        self.assertContains(self.client.get("/sign-in/?as=ada"), 'value="harbour-lights-7"')

    def test_the_sign_in_form_stays_empty_for_anybody_else(self) -> None:
        self.assertNotContains(self.client.get("/sign-in/?as=root"), 'value="root"')

    def test_a_visitor_is_asked_to_sign_in_first(self) -> None:
        for address in ("/account/", "/account/withdraw/", "/account/entries/1/"):
            with self.subTest(address):
                answer = self.client.get(address, headers={"accept": "text/html"})
                self.assertRedirects(answer, f"/sign-in/?next={address}")


@override_settings(DEBUG=True)  # as the demo runs
class ErrorPageTests(AuthsignalTestMixin, TestCase):
    """What visitors see when something goes wrong."""

    def setUp(self) -> None:
        super().setUp()
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)

    def _assert_ours(self, answer: HttpResponse, status: int, text: str) -> None:
        self.assertContains(answer, text, status_code=status)
        self.assertContains(answer, "Kittiwake", status_code=status)
        self.assertNotContains(answer, "<style", status_code=status)
        self.assertIn("default-src 'none'", answer.headers["Content-Security-Policy"])

    def test_an_address_that_leads_nowhere_gets_the_banks_page(self) -> None:
        self._assert_ours(self.client.get("/nowhere/"), 404, "There is nothing here")

    def test_an_address_that_lacks_its_slash_still_leads_on(self) -> None:
        self.assertRedirects(self.client.get("/sign-in"), "/sign-in/", status_code=301)

    def test_what_a_view_does_not_find_gets_the_banks_page(self) -> None:
        self.client.force_login(_account().owner)
        self._assert_ours(self.client.get("/account/entries/999/"), 404, "There is nothing here")

    def test_too_many_parameters_get_the_banks_page(self) -> None:
        for address in ("/sign-in/", "/authsignal/status/", f"/authsignal/callback/{uuid.uuid4()}/", "/admin/login/"):
            with self.subTest(address):
                self._assert_ours(self.client.get(address + "?" + "a=1&" * 1200), 400, "could not read that")

    def test_too_many_parameters_get_the_banks_page_behind_the_sign_in_too(self) -> None:
        self.client.force_login(User.objects.create_superuser("grace"))
        for address in ("/account/", "/admin/bank/account/"):
            with self.subTest(address):
                self._assert_ours(self.client.get(address + "?" + "a=1&" * 1200), 400, "could not read that")

    def test_a_form_that_nobody_can_read_gets_the_banks_page(self) -> None:
        form = "application/x-www-form-urlencoded"
        bodies = {
            "of another encoding": ("a=1", f"{form}; charset=utf-16"),
            "too long": ("a=" + "1" * 3_000_000, form),
            "of too many fields": ("a=1&" * 1200, form),
            "in parts without a border": ("a=1", "multipart/form-data"),
        }
        visitor = Client(enforce_csrf_checks=True)
        visitor.cookies["bank_csrf"] = "a" * 32
        for name, (body, content_type) in bodies.items():
            with self.subTest(name):
                answer = visitor.post("/sign-in/", body, content_type=content_type)
                self._assert_ours(answer, 400, "could not read that")

    def test_a_program_is_told_so_in_plain_text(self) -> None:
        answer = self.client.get("/sign-in/?" + "a=1&" * 1200, headers={"accept": "application/json"})
        self.assertEqual((answer.status_code, answer.content), (400, b"The bank could not read that"))

    def test_a_form_that_is_out_of_date_says_so_and_leads_back_to_itself(self) -> None:
        answer = Client(enforce_csrf_checks=True).post("/sign-in/?next=/account/", {"password": "sea-view-1"})
        self._assert_ours(answer, 403, "This form is out of date")
        self.assertContains(answer, 'class="button full" href="/sign-in/"', status_code=403)
        self.assertNotContains(answer, "sea-view-1", status_code=403)

    def test_a_sign_out_that_is_out_of_date_leads_to_the_first_page(self) -> None:
        answer = Client(enforce_csrf_checks=True).post("/sign-out/")
        self.assertContains(answer, 'class="button full" href="/"', status_code=403)

    def test_what_breaks_in_a_view_keeps_djangos_page_for_the_developer(self) -> None:
        developer = Client(raise_request_exception=False)
        with mock.patch("example_project.bank.views.render", side_effect=RuntimeError("broken")):
            answer = developer.get("/")
        self.assertContains(answer, "RuntimeError", status_code=500)
        # Its styles are inline.
        self.assertNotIn("Content-Security-Policy", answer.headers)


class ProofTests(AuthsignalTestMixin, TestCase):
    """What the pages say of the proof that let money out."""

    def setUp(self) -> None:
        super().setUp()
        self.account = _account()
        self.client.force_login(self.account.owner)

    def _prove(self, method: str) -> None:
        self.client.get("/account/withdraw/", headers={"accept": "text/html"})
        challenge = Challenge.objects.get(action="withdrawFunds", status=Status.OPEN)
        token = self.authsignal.complete(str(challenge.pk), method=method)
        self.client.get(f"/authsignal/callback/{challenge.pk}/", {"token": token})

    def _withdraw(self) -> HttpResponse:
        form = {"amount": "40", "nonce": str(uuid.uuid4())}
        return self.client.post("/account/withdraw/", form, headers={"accept": "text/html"}, follow=True)

    def test_a_receipt_names_the_proof_that_let_the_money_out(self) -> None:
        self._prove("AUTHENTICATOR_APP")
        self.assertContains(self._withdraw(), "You proved it with an authenticator app")
        self.assertEqual(self.account.entries.get(amount=-40).proof, Challenge.objects.get(action=proofs.WITHDRAW).pk)

    def test_a_way_of_proof_that_the_bank_has_no_word_for_is_another_way(self) -> None:
        self._prove("PALM_BIOMETRICS_RR")
        self.assertContains(self._withdraw(), "You proved it with another way")

    def test_nobody_elses_proof_is_shown_on_a_receipt(self) -> None:
        self._prove("PASSKEY")
        self._withdraw()
        Challenge.objects.update(user_pk="0")
        entry = self.account.entries.get(amount=-40)
        self.assertNotContains(self.client.get(f"/account/entries/{entry.pk}/"), "How the bank knew")

    def test_money_that_nobody_was_asked_about_has_no_proof(self) -> None:
        entry = _withdraw(self.account, "5")
        page = self.client.get(f"/account/entries/{entry.pk}/")
        self.assertContains(page, "Money paid")
        self.assertNotContains(page, "How the bank knew")

    def test_the_account_says_whether_a_withdrawal_would_ask_first(self) -> None:
        self.assertContains(self.client.get("/account/"), "Locked: asks for a proof first")
        self._prove("PASSKEY")
        self.assertContains(self.client.get("/account/"), "Open for 5 more minutes")

    def test_the_account_lists_what_was_proved_and_how(self) -> None:
        self._prove("EMAIL_OTP")
        found = [(proof.action, proof.way) for proof in self.client.get("/account/").context["proofs"]]
        self.assertEqual(found, [("Withdraw money", "a code by e-mail"), ("Sign in", "a passkey")])

    def test_a_proof_is_kept_by_nobody_after_signing_out(self) -> None:
        self._prove("PASSKEY")
        self.client.post("/sign-out/")
        self.client.force_login(self.account.owner)
        self.assertNotIn("bank_proof", self.client.session)

    def test_a_long_statement_is_read_a_page_at_a_time(self) -> None:
        for _ in range(20):
            _withdraw(self.account, "1")
        first, second = self.client.get("/account/"), self.client.get("/account/?page=2")
        self.assertEqual((len(first.context["entries"]), len(second.context["entries"])), (20, 1))
        self.assertContains(first, "Older")
        self.assertContains(second, "Newer")


class SignUpTests(AuthsignalTestMixin, TestCase):
    """A new customer, up to their first proof."""

    def test_the_proof_is_told_the_address_that_was_just_written(self) -> None:
        form = {"username": "ida", "email": "ida@example.com", "password1": "seven-wet-harbours"}
        self.client.post("/sign-up/", form | {"password2": form["password1"]}, headers={"accept": "text/html"})
        (call,) = self.authsignal.calls
        self.assertEqual((call.json or {}).get("email"), "ida@example.com")


class SendingTests(AuthsignalTestMixin, TestCase):
    """Money for somebody, each payment proved by itself."""

    def setUp(self) -> None:
        super().setUp()
        self.account = _account()
        self.client.force_login(self.account.owner)

    def _send(self, payee: str, nonce: uuid.UUID) -> HttpResponse:
        """Send £3 once it is proved."""
        form, browser = {"payee": payee, "amount": "3.00", "nonce": str(nonce)}, {"accept": "text/html"}
        self.client.post("/account/send/", form, headers=browser)
        challenge = Challenge.objects.get(action=proofs.SEND, status=Status.OPEN)
        self.client.get(f"/authsignal/callback/{challenge.pk}/", {"token": self.authsignal.complete(str(challenge.pk))})
        return self.client.post("/account/send/", form, headers=browser)

    def test_a_payment_names_whom_it_went_to(self) -> None:
        answer = self._send("Bob", uuid.uuid4())
        self.assertRedirects(answer, f"/account/entries/{self.account.entries.get(text='To Bob').pk}/")

    def test_a_form_used_again_for_somebody_else_says_what_it_has_done(self) -> None:
        nonce = uuid.uuid4()
        self._send("Bob", nonce)
        self.assertContains(self._send("Carol", nonce), "£3.00, “To Bob”")
        self.assertFalse(self.account.entries.filter(text="To Carol").exists())

    def test_the_form_that_says_so_sends_the_money_when_it_is_sent_again(self) -> None:
        nonce = uuid.uuid4()
        self._send("Bob", nonce)
        renewed = self._send("Carol", nonce).context["form"]["nonce"].value()
        self._send("Carol", uuid.UUID(renewed))
        self.assertTrue(self.account.entries.filter(text="To Carol").exists())


class CounterTests(AuthsignalTestMixin, TestCase):
    """What staff do in the admin."""

    def setUp(self) -> None:
        super().setUp()
        self.account = _account()
        self.page = f"/admin/bank/account/{self.account.pk}/change/"
        self.client.force_login(User.objects.create_superuser("grace"))

    def _prove(self, action: str) -> Challenge:
        challenge = Challenge.objects.get(action=action, status=Status.OPEN)
        self.client.get(f"/authsignal/callback/{challenge.pk}/", {"token": self.authsignal.complete(str(challenge.pk))})
        return challenge

    def _correct(self, amount: str, nonce: uuid.UUID | None = None, reason: str = "Our mistake") -> HttpResponse:
        form = {"amount": amount, "reason": reason, "nonce": str(nonce or uuid.uuid4())}
        rows = {"entries-TOTAL_FORMS": "0", "entries-INITIAL_FORMS": "0"}
        return self.client.post(self.page, form | rows, headers={"accept": "text/html"})

    def _balance(self) -> Decimal:
        return Account.objects.get(pk=self.account.pk).balance

    def test_the_form_that_puts_a_balance_right_asks_for_a_proof(self) -> None:
        self.assertEqual(self.client.get(self.page, headers={"accept": "text/html"}).status_code, 302)
        self._prove("correctBalance")
        self.assertContains(self.client.get(self.page), "Correction in pounds")

    def test_without_it_nothing_is_written(self) -> None:
        self.assertEqual(self._correct("5").status_code, 403)
        self.assertEqual(self._balance(), Decimal("100.00"))

    def test_with_it_an_entry_names_it_and_the_log_does(self) -> None:
        self._correct("-5")
        proof = self._prove("correctBalance")
        self.assertEqual(self._correct("-5").status_code, 302)
        self.assertEqual(self._balance(), Decimal("95.00"))
        self.assertEqual(self.account.entries.get(amount=-5).proof, proof.pk)
        self.assertContains(self.client.get(self.page.replace("change", "history")), f"challenge/{proof.pk}/change/")

    def test_more_than_there_is_cannot_be_taken_away(self) -> None:
        self._correct("5")
        self._prove("correctBalance")
        for amount in ("-100.01", "0", "0.001", "NaN"):
            with self.subTest(amount):
                self.assertEqual(self._correct(amount).status_code, 200)
        self.assertEqual(self._balance(), Decimal("100.00"))

    def test_a_double_click_corrects_once(self) -> None:
        self._correct("5")
        self._prove("correctBalance")
        nonce = uuid.uuid4()
        for _ in range(2):
            self.assertEqual(self._correct("5", nonce).status_code, 302)
        self.assertContains(self._correct("6", nonce), "This form was sent before")
        self.assertContains(self._correct("5", nonce, "Their mistake"), "This form was sent before")
        self.assertEqual(self._balance(), Decimal("105.00"))

    def test_nobody_becomes_staff_without_a_proof(self) -> None:
        page = f"/admin/auth/user/{self.account.owner_id}/change/"
        self.client.post(page, {"username": "ida", "is_staff": "on"}, headers={"accept": "text/html"})
        self.assertFalse(User.objects.get(username="ida").is_staff)
        self._prove("manageUsers")

    def test_a_forged_field_to_look_by_is_no_fault_of_the_admin(self) -> None:
        for page in (self.page, self.page.replace("change", "delete")):
            with self.subTest(page):
                self.assertEqual(self.client.post(page, {"_to_field": ""}).status_code, 400)
                self.assertEqual(self.client.get(page, {"_to_field": ""}).status_code, 400)

    def test_a_forged_choice_of_rows_is_no_fault_of_the_admin(self) -> None:
        form = {"action": "delete_selected", "index": "0", "_selected_action": "x"}
        self.assertEqual(self.client.post("/admin/auth/group/", form).status_code, 400)

    def test_what_breaks_in_the_admin_itself_is_still_told_the_developer(self) -> None:
        with (
            mock.patch("example_project.bank.admin.EntryAdmin.get_queryset", side_effect=ValueError),
            self.assertRaises(ValueError),
        ):
            self.client.get("/admin/bank/entry/")


class DemoDataTests(TestCase):
    """`manage.py demo_data`."""

    def test_running_it_twice_changes_nothing(self) -> None:
        for _ in range(2):
            call_command("demo_data", stdout=_Nowhere())
            state = (User.objects.count(), Account.objects.count(), Entry.objects.count())
            self.assertEqual(state, (2, 2, 10))

    def test_the_statements_go_back_some_days_and_stay_in_order(self) -> None:
        call_command("demo_data", stdout=_Nowhere())
        for account in Account.objects.all():
            days = [entry.day for entry in account.entries.all()]
            self.assertEqual(days, sorted(days, reverse=True))
            self.assertGreater(len(set(days)), 3)

    @override_settings(SHOW_DEMO_USERS=False)
    def test_it_refuses_outside_the_demo(self) -> None:
        with self.assertRaisesMessage(CommandError, "SHOW_DEMO_USERS"):
            call_command("demo_data", stdout=_Nowhere())


class LogTests(SimpleTestCase):
    """What the development server prints."""

    def _line(self, request: str) -> str | None:
        record = logging.LogRecord("django.server", 20, "", 0, '"%s" %s %s', (request, "200", "10"), None)
        return record.getMessage() if RequestLines().filter(record) else None

    def test_a_token_in_the_callback_reaches_no_log(self) -> None:
        line = self._line("GET /authsignal/callback/1/?token=secret HTTP/1.1")
        self.assertEqual(line, '"GET /authsignal/callback/1/" 200 10')

    def test_static_files_are_not_shown(self) -> None:
        self.assertIsNone(self._line("GET /static/bank/bank.css HTTP/1.1"))


class _Nowhere:
    def write(self, text: str) -> None:
        """Drop it."""
