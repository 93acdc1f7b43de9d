"""Races, crashes and long days: real workers, real databases, a real emulator, judged from outside."""

PASSWORD = "correct horse battery staple"
