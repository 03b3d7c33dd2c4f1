"""Rows a fresh shop needs: staff, a country, a product class, a category, a warehouse, two products, an offer for vouchers."""
import os
from decimal import Decimal

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402  Django must be set up first
from django.contrib.sites.models import Site  # noqa: E402
from oscar.core.loading import get_model  # noqa: E402


def make(app, model, **fields):
    return get_model(app, model).objects.create(**fields)


Site.objects.update_or_create(pk=1, defaults={"domain": "127.0.0.1", "name": "Bell test shop"})
get_user_model().objects.create_superuser("boss", "boss@shop.example", "boss-pw-1")
make("address", "Country", iso_3166_1_a2="GB", iso_3166_1_a3="GBR", iso_3166_1_numeric="826",
     printable_name="United Kingdom", name="United Kingdom", is_shipping_country=True)
goods = make("catalogue", "ProductClass", name="Goods", slug="goods", requires_shipping=True, track_stock=True)
books = get_model("catalogue", "Category").add_root(name="Books", slug="books")
warehouse = make("partner", "Partner", name="Warehouse", code="warehouse")
for number in (1, 2):
    book = make("catalogue", "Product", title=f"Book {number}", upc=f"B-{number}", product_class=goods, is_public=True)
    make("catalogue", "ProductCategory", product=book, category=books)
    make("partner", "StockRecord", product=book, partner=warehouse, partner_sku=f"W-{number}",
         price=Decimal(10 + number), num_in_stock=50)
everything = make("offer", "Range", name="Everything", includes_all_products=True)
condition = make("offer", "Condition", range=everything, type="Count", value=1)
benefit = make("offer", "Benefit", range=everything, type="Percentage", value=10)
make("offer", "ConditionalOffer", name="A tenth", offer_type="Voucher", condition=condition, benefit=benefit)
