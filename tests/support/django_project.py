"""A Django project that exists once in a test run; its URL patterns are those of the test that runs."""

from typing import Any, ClassVar

import django
from django.conf import settings


class Urls:
    """The project's URL configuration."""

    urlpatterns: ClassVar[list[Any]] = []


def configure() -> None:
    """Set the project up, unless it is."""
    if not settings.configured:
        settings.configure(ROOT_URLCONF=Urls, ALLOWED_HOSTS=["*"], SECRET_KEY="for tests only", USE_TZ=True)
        django.setup()
