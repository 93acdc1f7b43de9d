"""Makes the tables, then becomes gunicorn: `python -m tests.chaos.serve --bind …`."""

import sys

import django
from django.core.management import call_command
from django.db import connections
from gunicorn.app.wsgiapp import WSGIApplication

if __name__ == "__main__":
    django.setup()
    call_command("migrate", verbosity=0, run_syncdb=True)
    connections.close_all()  # no worker may inherit one
    sys.argv = ["gunicorn", *sys.argv[1:], "tests.chaos.wsgi"]
    WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]").run()
