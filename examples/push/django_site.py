"""A site made with Django that pushes what it saves: ``python django_site.py`` serves it."""

import json

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.db import transaction
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from ratchet_py.push import PushClient, PushError

client = PushClient("http://localhost:8080/publish", secret="kitten secret")


@csrf_exempt
@transaction.atomic
def articles(request):
    article = json.loads(request.body)
    # Here it would be saved. Nobody is to hear of what is rolled back.
    transaction.on_commit(lambda: announce(article))
    return JsonResponse(article, status=201)


def announce(article):
    try:
        client.push(article["category"], article)
    except PushError as exc:
        # It is saved; who is looking now will see it when the page is loaded again.
        print(f"not announced: {exc}")


settings.configure(
    ALLOWED_HOSTS=["localhost"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    ROOT_URLCONF=__name__,
)
urlpatterns = [path("articles", articles)]

if __name__ == "__main__":
    django.setup()
    execute_from_command_line(["django_site.py", "runserver", "--noreload", "localhost:8001"])
