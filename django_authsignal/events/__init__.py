"""What Authsignal tells by webhooks: each event handled once, what we do about it, and the messages it leaves to us."""
