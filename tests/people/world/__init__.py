"""Another project: a user model of its own with UUID keys and no e-mail field, and the ledger in a second database."""
