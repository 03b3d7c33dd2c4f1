"""A small django-oscar shop on sqlite for end-to-end runs. Its data lives under SHOP_DATA; nothing leaves the machine."""
import os
from pathlib import Path

from oscar import INSTALLED_APPS as OSCAR_APPS
from oscar.defaults import *  # noqa: F401,F403  oscar reads its defaults from the settings module

DATA = Path(os.environ["SHOP_DATA"])

SECRET_KEY = "only-for-tests"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "shop.urls"
SITE_ID = 1
INSTALLED_APPS = [*OSCAR_APPS, "sorl.thumbnail", "rest_framework", "oscarapi"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "oscarapi.middleware.ApiBasketMiddleWare",  # stands for oscar's own basket middleware
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
]
if os.environ.get("SHOP_GZIP") == "1":
    MIDDLEWARE.insert(0, "django.middleware.gzip.GZipMiddleware")
if os.environ.get("SHOP_LENGTHS") == "1":  # Content-Length and keep-alive; without it every answer ends by closing
    MIDDLEWARE.insert(1, "django.middleware.common.CommonMiddleware")
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.template.context_processors.i18n",
        "django.template.context_processors.media",
        "django.template.context_processors.static",
        "django.contrib.messages.context_processors.messages",
        "oscar.apps.search.context_processors.search_form",
        "oscar.apps.checkout.context_processors.checkout",
        "oscar.apps.communication.notifications.context_processors.notifications",
        "oscar.core.context_processors.metadata",
    ]},
}]
AUTHENTICATION_BACKENDS = (
    "oscar.apps.customer.auth_backends.EmailBackend",
    "django.contrib.auth.backends.ModelBackend",
)
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast; there is nothing to protect
DATABASES = {"default": {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": str(DATA / "shop.sqlite3"),
    "ATOMIC_REQUESTS": True,
    "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},  # threads of runserver wait instead of failing
}}
HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
LANGUAGE_CODE = os.environ.get("SHOP_LANGUAGE", "en-gb")
TIME_ZONE = "UTC"
USE_TZ = True
if os.environ.get("SHOP_MESSAGES") == "session":  # no cookie tells what the shop says: the next page shows it
    MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
STATIC_URL = "/static/"
STATIC_ROOT = str(DATA / "static")
MEDIA_URL = "/media/"
MEDIA_ROOT = str(DATA / "media")
OSCAR_SHOP_NAME = "Bell test shop"
OSCAR_ALLOW_ANON_CHECKOUT = True
OSCAR_DEFAULT_CURRENCY = "GBP"
OSCAR_INITIAL_ORDER_STATUS = OSCAR_INITIAL_LINE_STATUS = "Pending"
OSCAR_ORDER_STATUS_PIPELINE = {
    "Pending": ("Being processed", "Cancelled"),
    "Being processed": ("Complete", "Cancelled"),
    "Complete": (),
    "Cancelled": (),
}
OSCARAPI_BLOCK_ADMIN_API_ACCESS = False
OSCARAPI_ENABLE_REGISTRATION = True


class _TablesFromModels:
    """No migrations: the tables come straight from the models, which saves a quarter of a minute."""

    def __contains__(self, _app):
        return True

    def __getitem__(self, _app):
        return None


MIGRATION_MODULES = _TablesFromModels()
