"""What the sites have in common that tests start in real servers."""

SECRET_KEY = "tests only, and long enough for every algorithm that asks"
DEBUG = False
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
STATIC_URL = "static/"
AUTHENTICATION_BACKENDS = ["django_authsignal.backends.AuthsignalBackend"]
