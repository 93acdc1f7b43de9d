"""People's data: what Authsignal is told of a user, when they change and when they leave, and what they bring along."""
