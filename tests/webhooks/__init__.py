"""Events of Authsignal's that arrive: what is made of them, and the messages that are delivered here."""
