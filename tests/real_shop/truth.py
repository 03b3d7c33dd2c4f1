"""What the shop's database says happened between two looks, and whether a delivery says the same."""
import sqlite3

TABLES = {
    "product": "select id, title, upc, date_updated from catalogue_product",
    "customer": "select id, email, first_name, is_active from auth_user where not is_staff",
    "coupon": "select id, code, name from voucher_voucher",
    "order": "select number, status, total_incl_tax, coalesce(user_id, 0), guest_email, shipping_address_id from order_order",
    # The rest holds what actions leave behind.
    "line": "select line.id, product_id, quantity from basket_line line join basket_basket basket on basket.id = basket_id "
            "where basket.status in ('Open', 'Frozen')",
    "used": "select used.id, voucher.id, voucher.code from basket_basket_vouchers used "
            "join voucher_voucher voucher on voucher.id = voucher_id join basket_basket basket on basket.id = basket_id "
            "where basket.status in ('Open', 'Frozen')",
    "login": "select id, email, last_login from auth_user where not is_staff",
}
RESOURCES = ("product", "customer", "coupon", "order")

# WooCommerce's words for the shop's order statuses.
STATUS = {"Pending": "pending", "Being processed": "processing", "Complete": "completed", "Cancelled": "cancelled"}


class Truth:
    """The database, and how it was at the last look."""

    def __init__(self, path):
        self.path = path
        self.before = self.look()

    def look(self):
        with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True) as database:
            return {name: {row[0]: row[1:] for row in database.execute(sql)} for name, sql in TABLES.items()}

    def events(self, how, said):
        """(topic, id, row) of what happened since the last look. `how` tells what the database does not: whether lines of a
        basket were changed on the basket's page, or moved by a login or an order. `said` are (what, e-mail address) of
        things that leave no trace."""
        before, now = self.before, self.look()
        self.before = now
        found = []
        for kind in RESOURCES:
            for key, row in now[kind].items():
                if key not in before[kind]:
                    found.append((f"{kind}.created", key, row))
                elif before[kind][key] != row:
                    found.append((f"{kind}.updated", key, row))
            found += [(f"{kind}.deleted", key, row) for key, row in before[kind].items() if key not in now[kind]]
        for key, (email, last) in now["login"].items():
            if last and before["login"].get(key, (email, None))[1] != last:
                found.append(("action.wc_customer_login", key, (email,)))
        ids = {email: key for key, (email, _last) in now["login"].items()}
        found += [(f"action.wc_customer_{what}", ids[email], (email,)) for what, email in said]
        return found if how == "moved" else found + self.actions(before, now, how)

    def actions(self, before, now, how):
        found = []
        for key, (product, quantity) in now["line"].items():
            was = before["line"].get(key, (None, 0))[1]
            if how == "basket" and was != quantity:
                found.append(("action.woocommerce_after_cart_item_quantity_update", product, ()))
            elif was < quantity:
                found.append(("action.woocommerce_add_to_cart", product, ()))
        for key, (product, _quantity) in before["line"].items():
            if key not in now["line"]:
                found.append(("action.woocommerce_cart_item_removed", product, ()))
        found += [("action.woocommerce_applied_coupon", row[0], row) for key, row in now["used"].items() if key not in before["used"]]
        found += [("action.woocommerce_removed_coupon", row[0], row) for key, row in before["used"].items() if key not in now["used"]]
        return found


def fits(truth, delivery):
    """Whether a delivery is the event that the database shows."""
    (topic, key, row), (got_topic, body) = truth, delivery
    if topic != got_topic:
        return False
    if topic.startswith("action."):
        return body["action"] == topic.removeprefix("action.") and fits_arg(topic, key, row, body["arg"])
    if topic.endswith(".deleted"):
        return body == {"id": key}
    return len(body["date_modified"]) == 19 and FITS[topic.split(".")[0]](topic, key, row, body)


def resource(truth):
    """What a thing happened to: these are delivered in order."""
    topic, key, _row = truth
    kinds = {"action.wc_customer": "customer", "_coupon": "coupon", "action.": "product"}
    return next((kind for part, kind in kinds.items() if part in topic), topic.split(".")[0]), key


def fits_arg(topic, key, row, arg):
    if topic.endswith("_coupon"):
        return arg == row[1].lower()
    if topic == "action.wc_customer_login_failed":
        return arg == row[0]
    # Customers never see their own id: it is there once a list told it.
    return arg == key or (topic.startswith("action.wc_customer") and arg == {"email": row[0]})


def fits_product(topic, key, row, body):
    named = body.get("id", key) == key and body["name"] == row[0] and body["global_unique_id"] == row[1]
    return named and ("id" in body or topic.endswith(".created"))


def fits_customer(_topic, key, row, body):
    # Who registers sees no id, nor who changes a name; the list in the dashboard tells it.
    return body.get("id", key) == key and body["email"] == row[0] and body.get("first_name", row[1]) == row[1]


def fits_coupon(_topic, key, row, body):
    return body["id"] == key and body["code"] == row[0].lower()


def fits_order(topic, key, row, body):
    status, total, user, guest, _address = row
    if topic == "order.updated":
        return str(body["id"]) == key and body["status"] == STATUS[status]
    buyer = body["billing"]["email"] == guest if guest else body["customer_id"] in (user, None)
    return str(body["id"]) == key == body["number"] and float(body["total"]) == float(total) and buyer


FITS = {"product": fits_product, "customer": fits_customer, "coupon": fits_coupon, "order": fits_order}
