"""The pytest plugin: fixtures `authsignal` (a fake, no network) and `authsignal_emulator` (a real one)."""
