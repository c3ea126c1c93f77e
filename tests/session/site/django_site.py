"""A site with Django: writes the sessions that the tests read, and says their cookies as JSON.

Run with the path of an SQLite database, the key, and whether times know their zone.
"""

import json
import os
import sys
import time


def fill(store, **more):
    store["name"] = "Änn"
    store["cart"] = {"apple": 2}
    store.update(more)
    store.save()
    return store.session_key


def main(path, key, zone):
    # What Django does of itself with a module of settings.
    os.environ["TZ"] = "Pacific/Auckland"
    time.tzset()

    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY=key,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": path}},
        INSTALLED_APPS=["django.contrib.sessions"],
        USE_TZ=zone == "utc",
        TIME_ZONE="Pacific/Auckland",
    )
    django.setup()

    from django.contrib.sessions.backends import db, signed_cookies
    from django.db import connection

    with connection.schema_editor() as editor:
        editor.create_model(db.SessionStore.get_model_class())
    expiring = db.SessionStore()
    expiring.set_expiry(1000)
    return {
        "db": fill(db.SessionStore()),
        "long": fill(db.SessionStore(), text="x" * 1000),
        "expiring": fill(expiring),
        "cookie": fill(signed_cookies.SessionStore()),
        "long cookie": fill(signed_cookies.SessionStore(), text="x" * 1000),
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
