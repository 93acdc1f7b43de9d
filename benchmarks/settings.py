"""The smallest project in which a fresh pass can be compared with `login_required`."""

SECRET_KEY = "benchmarks only"
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "benchmarks.urls"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django_authsignal",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_authsignal.middleware.AuthsignalMiddleware",
]
AUTHENTICATION_BACKENDS = ["django_authsignal.backends.AuthsignalBackend"]
AUTHSIGNAL = {"API_SECRET_KEY": "benchmark", "ACTIONS": {"withdrawFunds": {"MAX_AGE": 3600}}}
