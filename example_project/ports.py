"""The two ports of the demo, and whether they can be had."""

import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Ports:
    """Where the two servers listen on this computer."""

    bank: int
    emulator: int

    @property
    def bank_url(self) -> str:
        """The bank's address without a slash at its end."""
        return f"http://localhost:{self.bank}"

    @property
    def emulator_url(self) -> str:
        """The emulator's address without a slash at its end."""
        return f"http://localhost:{self.emulator}"

    def problem(self) -> str | None:
        """Name the first port that cannot be had, and the fix; None when both are free."""
        wanted = (("bank", "PORT", self.bank), ("emulator", "EMULATOR_PORT", self.emulator))
        for name, variable, port in wanted:
            if is_taken(port):
                fix = f"make demo {variable}={self._next_free(port)}"
                return f"Port {port}, which the {name} needs, is in use or not allowed. Choose another: {fix}"
        return None

    def _next_free(self, port: int) -> int:
        start = max(port + 1, 1024)  # below, only root may listen
        following = (number for number in range(start, 65536) if number not in (self.bank, self.emulator))
        return next((number for number in following if not is_taken(number)), 8001)


def is_taken(port: int) -> bool:
    """True when somebody answers on localhost, IPv6 included, or when the port cannot be bound."""
    answers = _answers(socket.AF_INET6, "::1", port) or _answers(socket.AF_INET, "127.0.0.1", port)
    return answers or not _binds(port)


def _answers(family: socket.AddressFamily, address: str, port: int) -> bool:
    try:
        with socket.socket(family) as caller:
            caller.settimeout(0.5)  # seconds
            return caller.connect_ex((address, port)) == 0
    except OSError:  # this computer has no IPv6
        return False


def _binds(port: int) -> bool:
    with socket.socket() as listener:
        # As the servers do it: connections of the last run that are still closing are no obstacle.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
