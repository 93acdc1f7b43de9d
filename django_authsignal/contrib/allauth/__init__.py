"""django-allauth: every login waits for its proof, as a stage of allauth's own: password, social, mailed code, passkey.

Needs the extra `python -m pip install 'django-authsignal[allauth]'` and two settings:

    ACCOUNT_ADAPTER = "django_authsignal.contrib.allauth.adapter.AccountAdapter"
    AUTHENTICATION_BACKENDS = ["django_authsignal.contrib.allauth.backends.AuthenticationBackend"]

Nothing is imported here: allauth's modules need Django's apps to be ready.
"""
