"""The dashboard: what happened, and what the tenant's people set up; Authsignal has its portal for it.

There is no sign-in: it is as open as the machine it runs on. What protects it is in `guard.py`.
"""
