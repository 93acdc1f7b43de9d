"""The two people who try the bank. Their passwords are public: they exist in the demo only."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DemoUser:
    """One demo user, as `demo_data` makes it and the first page shows it."""

    username: str
    password: str
    name: str
    role: str
    staff: bool

    @property
    def email(self) -> str:
        """Where the emulator sends codes; nothing leaves this computer."""
        return f"{self.username}@kittiwake.example"


DEMO_USERS = (
    DemoUser("ada", "harbour-lights-7", "Ada Finch", "Customer", staff=False),
    DemoUser("grace", "northern-tide-4", "Grace Holm", "Customer and staff", staff=True),
)
