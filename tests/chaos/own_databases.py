"""PostgreSQL and MariaDB of our own."""

from __future__ import annotations

import signal

from .servers import Missing, Server, program


class Postgres(Server):
    """PostgreSQL."""

    account = "postgres"
    farewell = signal.SIGINT  # it waits for nobody

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def prepare(self) -> None:
        self.run(program("initdb"), "-D", str(self.folder / "data"), "-A", "trust", "-U", "postgres", "--no-sync")

    def command(self) -> list[str]:
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "300"}
        set_ = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [program("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *set_]

    def ready(self) -> None:
        import psycopg

        psycopg.connect(self.url, connect_timeout=3).close()

    def crash(self, how: int = signal.SIGQUIT) -> None:
        """What `pg_ctl restart -m immediate` does: every connection is cut, and it recovers from its log."""
        super().crash(how)


class MariaDB(Server):
    """MariaDB."""

    account = "mysql"

    @property
    def url(self) -> str:
        return f"mysql://root@127.0.0.1:{self.port}/chaos"

    def prepare(self) -> None:
        own = ["--no-defaults", f"--datadir={self.folder / 'data'}", "--auth-root-authentication-method=normal"]
        self.run(program("mariadb-install-db"), *own, "--skip-test-db")

    def command(self) -> list[str]:
        own = [f"--datadir={self.folder / 'data'}", f"--port={self.port}", f"--socket={self.folder / 'socket'}"]
        own += ["--bind-address=127.0.0.1", "--max-connections=300", f"--pid-file={self.folder / 'pid'}"]
        return [program("mariadbd"), "--no-defaults", *own, "--innodb-buffer-pool-size=64M"]

    def ready(self) -> None:
        import MySQLdb

        connection = MySQLdb.connect(host="127.0.0.1", port=self.port, user="root", connect_timeout=3)
        connection.cursor().execute("CREATE DATABASE IF NOT EXISTS chaos CHARACTER SET utf8mb4")
        connection.close()

    @classmethod
    def check(cls) -> None:
        super().check()
        try:
            import MySQLdb  # noqa: F401  only whether it is there
        except ImportError:
            raise Missing("mysqlclient is not installed; it needs libmariadb-dev") from None
