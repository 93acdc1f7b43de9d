"""Mutation tests: the guards are broken one by one, and for each some test must fail. See README.md."""
