"""How Māori writes dates; Django knows the other languages' ways itself. The names of the months are in `locale/mi`."""

DATE_FORMAT = "j F Y"
