"""`python -m django_authsignal.emulator`: serve the emulator until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import ipaddress
import os
import re
import resource
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

_PREFIX = "AUTHSIGNAL_EMULATOR_"
# What Basic authorisation can carry and the browser SDK's percent-encoding does not change.
_CREDENTIAL = re.compile(r"[A-Za-z0-9_.~-]+")
_ORIGIN = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?/?")
_ANDROID_ORIGIN = re.compile(r"android:apk-key-hash:[\w-]+")  # as Android writes an app's origin
_QUEUE = 128  # connections that wait to be taken
_FILES = 2048  # for the connections, see settings.MAX_CONNECTIONS
# By Django's engine: the modules of which one must be here, and the package that has one.
_DRIVERS = {
    "sqlite3": ((), ""),
    "postgresql": (("psycopg", "psycopg2"), "psycopg[binary]"),
    "mysql": (("MySQLdb",), "mysqlclient"),
}
_OUTCOMES = ("ALLOW", "CHALLENGE", "REVIEW", "BLOCK")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve, and return 0 after SIGINT or SIGTERM. Exits with 2 and one sentence for what cannot be served."""
    for stop in (signal.SIGINT, signal.SIGTERM):  # until the server listens, ending is simply leaving
        signal.signal(stop, lambda *_: sys.exit(0))
    options = _options().parse_args(arguments)
    _take_files()
    options.secret = options.secret or ["emulator_secret"]
    options.database = re.sub("^mariadb:", "mysql:", options.database)  # Django has one backend for both
    _check(options)
    listener = _listen(options.host, options.port)
    port = listener.getsockname()[1]
    os.environ.update(_environment(options, port))
    # Not setdefault: a project's own settings module may be named in the environment.
    os.environ["DJANGO_SETTINGS_MODULE"] = "django_authsignal.emulator.settings"
    try:
        if options.database:
            _check_database(options.database)
        import uvicorn  # noqa: PLC0415  an optional extra: its absence is a sentence, not a traceback

        from django_authsignal.emulator.asgi import application, handler  # noqa: PLC0415  reads the environment above
        from django_authsignal.emulator.protocol import Protocol  # noqa: PLC0415  after the settings are chosen
    except ModuleNotFoundError as exc:
        _fail(f'{exc.name} is not installed. Run: python -m pip install "django-authsignal[emulator]"')
    _migrate()
    from django.conf import settings  # noqa: PLC0415  after they are chosen

    from django_authsignal.emulator import realtime, webhooks  # noqa: PLC0415  after the settings are chosen

    webhooks.start()  # now, and not with the first request: there may be something left to deliver
    config = uvicorn.Config(
        application,
        http=Protocol,
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=settings.ACCEPTS,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=65,  # longer than most pools keep one: closing it may meet a request that is on its way
        ws="websockets-sansio",  # the other one of that package is deprecated, and says so
        ws_max_size=realtime.MAX_MESSAGE,
    )
    _print_start(options, port)
    with contextlib.suppress(KeyboardInterrupt), listener:
        asyncio.run(_serve(uvicorn.Server(config), listener))
    handler.close()
    _close()
    return 0


async def _serve(server: Any, listener: socket.socket) -> None:
    """uvicorn raises the signal again after its shutdown, which ends with -15; here a signal is a clean end."""
    loop = asyncio.get_running_loop()
    server.capture_signals = _no_capture
    for stop in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(stop, server.handle_exit, stop, None)
    ready = loop.create_task(_say_ready(server, listener))
    await server.serve(sockets=[listener])
    ready.cancel()


@contextlib.contextmanager
def _no_capture() -> Iterator[None]:
    yield


async def _say_ready(server: Any, listener: socket.socket) -> None:
    while not server.started:
        await asyncio.sleep(0.005)
    listener.listen(_QUEUE)  # asyncio has made it as short as the number that it takes in one turn
    print("Ready", flush=True)  # noqa: T201  a command speaks


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m django_authsignal.emulator",
        description="A wire-compatible Authsignal for development and tests, on this machine only.",
    )
    parser.add_argument("--port", type=int, default=9000, help="0 takes a free one (default: 9000)")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument("--secret", action="append", help="an API secret key, emulator_...; several are all accepted")
    parser.add_argument("--tenant", default="emulator", help="the tenant id (default: emulator)")
    parser.add_argument("--database", default="", help="a database URL (default: authsignal-emulator.sqlite3 here)")
    parser.add_argument("--public-url", default="", help="where browsers find it (default: http://localhost:PORT)")
    parser.add_argument("--default-outcome", default="ALLOW", choices=_OUTCOMES, help="of unconfigured actions")
    parser.add_argument("--origin", action="append", default=[], help="a page's origin that may use passkeys")
    parser.add_argument("--rp-id", default="", help="the passkeys' domain (default: the public URL's host)")
    parser.add_argument("--allow-host", action="append", default=[], help="a further name that it answers for")
    parser.add_argument("--allow-remote", action="store_true", help="listen beyond loopback: it has no protection")
    return parser


def _check(options: argparse.Namespace) -> None:
    if not all(key.startswith("emulator_") for key in options.secret):
        _fail(
            "The secret must begin with emulator_, so that no real key is used here. Pass --secret emulator_something."
        )
    for name, values in (("secret", options.secret), ("tenant", [options.tenant])):
        if not all(_CREDENTIAL.fullmatch(value) for value in values):
            _fail(
                f"A key or tenant is of ASCII letters, digits, dot, dash, tilde and underscore. Pass another --{name}."
            )
    if not options.allow_remote and not _is_loopback(options.host):
        _fail(
            f"{options.host} is not a loopback address, and anybody who reaches it owns it. "
            "Pass --allow-remote to listen anyway."
        )
    if not 0 <= options.port <= 65535:
        _fail("A port is a number from 0 to 65535. Pass another with --port.")
    if options.public_url and not _is_origin(options.public_url):
        _fail("The public URL is a scheme, a host in lower case and a port. Pass --public-url http://localhost:9000.")
    for origin in options.origin:
        if not _is_origin(origin) and not _ANDROID_ORIGIN.fullmatch(origin):
            _fail(f"{origin!r} is not an origin. Pass one like --origin http://localhost:8000.")
    for host in options.allow_host:
        if not re.fullmatch(r"[a-z0-9.-]+", host):
            _fail(
                f"{host!r} is not a host name of lower-case letters, digits, dots and dashes. "
                "Pass one like --allow-host emulator."
            )
    if options.rp_id and not re.fullmatch(r"[a-z0-9.-]+", options.rp_id):
        _fail("The passkeys' domain is a host name in lower case. Pass one like --rp-id localhost.")


def _is_origin(url: str) -> bool:
    """True for an address without a path: the pages' links know of no prefix, and a browser reports none."""
    found = _ORIGIN.fullmatch(url)
    return found is not None and int(found["port"] or 443) <= 65535


def _check_database(url: str) -> None:
    import dj_database_url  # noqa: PLC0415  an optional extra

    try:
        found = dj_database_url.parse(url)
    except ValueError:
        found = {}
    if found.get("NAME") in (None, "", ":memory:"):  # in memory, per thread one
        _fail("The database URL names no file or server. Pass one like --database sqlite:////tmp/emulator.sqlite3.")
    engine = str(found["ENGINE"]).rpartition(".")[2]
    if engine not in _DRIVERS:
        _fail("It runs on SQLite, PostgreSQL and MariaDB. Pass --database sqlite:///..., postgres://... or mysql://...")
    modules, package = _DRIVERS[engine]
    if modules and not any(map(_imports, modules)):
        _fail(f'There is no driver for this database. Run: python -m pip install "{package}"')


def _imports(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    """Bound before anything slow happens, so that a busy port is told at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, so that asyncio sets TCP_NODELAY: without it every answer waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_QUEUE)
    except OSError as exc:
        listener.close()
        reason = os.strerror(exc.errno) if exc.errno and exc.errno > 0 else str(exc)
        _fail(
            f"Cannot listen on {host}:{port} ({reason}). "
            f"Choose another port with --port {port + 1 if port < 65535 else 9000}."
        )
    listener.setblocking(False)
    return listener


def _environment(options: argparse.Namespace, port: int) -> dict[str, str]:
    values = {
        "SECRET": " ".join(options.secret),
        "TENANT": options.tenant,
        "PUBLIC_URL": options.public_url or f"http://localhost:{port}",
        "DEFAULT_OUTCOME": options.default_outcome,
        "DATABASE": options.database,
        "ORIGINS": " ".join(options.origin),
        "RP_ID": options.rp_id,
        "ALLOWED_HOSTS": " ".join([*options.allow_host, *_named(options.host)]),
    }
    return {_PREFIX + name: value for name, value in values.items()}


def _named(host: str) -> list[str]:
    """The address to listen on as a Host header names it; none for those that name no machine."""
    if _is_loopback(host) or host in ("0.0.0.0", "::"):  # noqa: S104  compared, not listened on
        return []
    return [f"[{host}]" if ":" in host else host]


def _take_files() -> None:
    """As many as the system gives, within reason: some give 256 unless they are asked."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _migrate() -> None:
    """Leaves its connection open: while one is, SQLite need not rebuild its journal for every request."""
    from django.db import DatabaseError  # noqa: PLC0415  after the settings are chosen

    from django_authsignal.emulator.migrating import migrate  # noqa: PLC0415  after the settings are chosen

    try:
        _check_collation()
        migrate()
    except DatabaseError as exc:
        _fail(f"The database cannot be opened ({exc}). Name another with --database sqlite:////tmp/emulator.sqlite3.")


def _check_collation() -> None:
    """MariaDB and MySQL would take the ids `Ada` and `ada` for one, and one user's proof for another's."""
    from django.db import connection  # noqa: PLC0415  after the settings are chosen

    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@collation_database")
            if not str(cursor.fetchone()[0]).endswith("_bin"):
                _fail("The database takes `A` for `a`. Create it with CHARACTER SET utf8mb4 COLLATE utf8mb4_bin.")


def _close() -> None:
    from django.db import connections  # noqa: PLC0415  after the settings are chosen

    from django_authsignal.emulator import webhooks  # noqa: PLC0415  after the settings are chosen

    webhooks.stop()
    connections.close_all()  # SQLite folds its journal into the one file


def _print_start(options: argparse.Namespace, port: int) -> None:
    url = options.public_url.rstrip("/") or f"http://localhost:{port}"
    print(  # noqa: T201  a command speaks
        f"Authsignal emulator\n  API base    {url}/v1\n  Secret key  {', '.join(options.secret)}\n"
        f"  Tenant      {options.tenant}\n  Inbox       {url}/inbox/",
        flush=True,
    )


def _fail(sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr)  # noqa: T201  a command speaks
    raise SystemExit(2)


if __name__ == "__main__":
    sys.exit(main())
