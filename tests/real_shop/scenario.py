"""What visitors and the boss do, step by step; some of it is refused by the shop."""
from browser import Browser

ADDRESS = {"first_name": "Ann", "last_name": "Ö'Hara", "line1": "1 Bell Lane", "line4": "Leeds", "postcode": "LS1 4AP"}


class Scenario:
    """The people and what each of them can do. Every act gives the status of the shop's first answer."""

    def __init__(self, port):
        self.visitor, self.other, self.guest, self.boss = (Browser(port) for _ in range(4))

    def register(self, browser, email, again="s3cret-pw-9"):
        browser.get("/accounts/login/")
        fields = {"registration-email": email, "registration-password1": "s3cret-pw-9", "registration-password2": again}
        return browser.submit("registration-email", fields, ("registration_submit", "register"))

    def login(self, browser, email, password="s3cret-pw-9"):
        browser.get("/accounts/login/")
        return browser.submit("login-username", {"login-username": email, "login-password": password}, ("login_submit", "login"))

    def add(self, browser, product, quantity=1):
        browser.get(f"/catalogue/book-{product}_{product}/")
        return browser.submit("quantity", {"quantity": str(quantity)})

    def basket(self, browser, **fields):
        browser.get("/basket/")
        return browser.submit("form-TOTAL_FORMS", {name.replace("_", "-"): value for name, value in fields.items()})

    def voucher(self, browser, code):
        browser.get("/basket/")
        return browser.submit("code", {"code": code})

    def remove_voucher(self, browser):
        browser.get("/basket/")
        return browser.press("/basket/vouchers/")

    def rename(self, browser, name):
        browser.get("/accounts/profile/edit/")
        return browser.submit("first_name", {"first_name": name})

    # --- the till

    def as_guest(self, browser, email):
        browser.get("/checkout/")
        return browser.submit("options", {"username": email, "options": "anonymous"})

    def as_customer(self, browser, email, password="s3cret-pw-9"):
        browser.get("/checkout/")
        return browser.submit("options", {"username": email, "password": password, "options": "existing"})

    def address(self, browser, **fields):
        browser.get("/checkout/shipping-address/")
        return browser.submit("line1", {**ADDRESS, **fields})

    def order(self, browser):
        browser.get("/checkout/preview/")
        return browser.submit("action")

    def order_only(self, browser):
        """Pressed, and the page that thanks is not asked for yet."""
        browser.get("/checkout/preview/")
        browser.follow = False
        try:
            return browser.submit("action")
        finally:
            browser.follow = True

    # --- the dashboard

    def staff(self):
        self.boss.get("/dashboard/login/")
        return self.boss.submit("username", {"username": "boss@shop.example", "password": "boss-pw-1"})

    def create(self, title, upc, button, **more):
        self.boss.get("/dashboard/catalogue/products/create/goods/")
        fields = {"title": title, "upc": upc, "productcategory_set-0-category": "1", **more}
        return self.boss.submit("upc", fields, ("action", button))

    def edit(self, product, **fields):
        self.boss.get(f"/dashboard/catalogue/products/{product}/")
        return self.boss.submit("upc", fields, ("action", "save"))

    def confirm(self, url):
        self.boss.get(url)
        return self.boss.submit("csrfmiddlewaretoken")

    def coupon(self, url, **fields):
        self.boss.get(url)
        times = {"start_datetime": "2020-01-01 00:00", "end_datetime": "2099-01-01 00:00"}
        return self.boss.submit("code", {"usage": "Multi-use", "offers": "1", **times, **fields})

    def status(self, number, status):
        self.boss.get(f"/dashboard/orders/{number}/")
        return self.boss.submit("order_action=change_order_status", {"new_status": status})

    def deactivate(self, customer):
        self.boss.get("/dashboard/users/")
        return self.boss.post("/dashboard/users/", action="make_inactive", selected_user=str(customer))


ANN, BOB, GUY = "ann@visitor.example", "bob@visitor.example", "guy@visitor.example"


def steps(s):
    """(what, the act, status of the shop's first answer, how the basket came to it, what only the driver knows)"""
    picture = {"images-0-original": bytes(range(256)) * 400}  # refused: no picture; a large upload all the same
    ann, bob, guy = s.visitor, s.other, s.guest
    return [step if len(step) == 5 else (*step, *("", ())[len(step) - 3:]) for step in [
        ("a visitor registers", lambda: s.register(ann, ANN), 302),
        ("the same address again is refused", lambda: s.register(bob, ANN), 200),
        ("two passwords that differ are refused", lambda: s.register(bob, BOB, "other"), 200),
        ("another visitor registers", lambda: s.register(bob, BOB), 302),
        ("into the cart", lambda: s.add(ann, 1), 302),
        ("the other visitor too", lambda: s.add(bob, 2), 302),
        ("none is refused", lambda: s.add(ann, 1, 0), 302),
        ("more than there are is refused", lambda: s.add(ann, 2, 5000), 302),
        ("a customer logs out", lambda: ann.get("/accounts/logout/"), 302, "moved", [("logout", ANN)]),
        ("and out again", lambda: ann.get("/accounts/logout/"), 302),
        ("a wrong password", lambda: s.login(ann, ANN, "wrong"), 200, "", [("login_failed", ANN)]),
        ("nothing typed", lambda: s.login(ann, "", ""), 200),
        ("in again", lambda: s.login(ann, ANN), 302, "moved"),
        ("a new name", lambda: s.rename(ann, "Ann-Marie"), 302),
        ("the boss logs in", s.staff, 302),
        ("the boss looks at the customers", lambda: s.boss.get("/dashboard/users/"), 200),
        ("a product, save and continue", lambda: s.create("Tea pot ü", "T-1", "continue"), 302),
        ("a product, save", lambda: s.create("Tea & cup", "T-2", "save"), 302),
        ("a product without a title is refused", lambda: s.create("", "T-3", "save"), 200),
        ("a product with a broken picture is refused", lambda: s.create("Tray", "T-4", "save", **picture), 200),
        ("the first is renamed", lambda: s.edit(3, title="Tea pot, blue"), 302),
        ("an edit without a title is refused", lambda: s.edit(3, title=""), 200),
        ("the second is renamed", lambda: s.edit(4, title="Cup"), 302),
        ("the first is deleted", lambda: s.confirm("/dashboard/catalogue/products/3/delete/"), 302),
        ("a voucher", lambda: s.coupon("/dashboard/vouchers/create/", name="Spring", code="spring7"), 302),
        ("another", lambda: s.coupon("/dashboard/vouchers/create/", name="Over", code="over"), 302),
        ("one with a code that is taken is refused", lambda: s.coupon("/dashboard/vouchers/create/", name="Two", code="SPRING7"), 200),
        ("the second is renamed", lambda: s.coupon("/dashboard/vouchers/update/2/", name="Over it"), 302),
        ("an unknown code is refused", lambda: s.voucher(ann, "nothing"), 302),
        ("a voucher in the cart", lambda: s.voucher(ann, "spring7"), 302),
        ("twice is refused", lambda: s.voucher(ann, "SPRING7"), 302),
        ("taken out", lambda: s.remove_voucher(ann), 302),
        ("in again", lambda: s.voucher(ann, "SPRING7"), 302),
        ("the second voucher is deleted", lambda: s.confirm("/dashboard/vouchers/delete/2/"), 302),
        ("more of it", lambda: s.basket(ann, form_0_quantity="3"), 302, "basket"),
        ("too many of it is refused", lambda: s.basket(ann, form_0_quantity="4000"), 200, "basket"),
        ("the other takes everything out", lambda: s.basket(bob, form_0_quantity="0"), 302, "basket"),
        ("and has nothing to order", lambda: bob.get("/checkout/preview/"), 302),
        ("the other puts in again", lambda: s.add(bob, 1), 302),
        ("and gives an address", lambda: s.address(bob), 302, "moved"),
        ("an address without a street is refused", lambda: s.address(ann, line1=""), 200, "moved"),
        ("the customer gives hers", lambda: s.address(ann), 302, "moved"),
        ("a guest fills a cart", lambda: s.add(guy, 2), 302),
        ("a guest without an e-mail address is refused", lambda: s.as_guest(guy, ""), 200, "moved"),
        ("a guest at the till", lambda: s.as_guest(guy, GUY), 302, "moved"),
        ("gives an address", lambda: s.address(guy, first_name="Guy"), 302, "moved"),
        # Two orders whose pages of thanks come the other way round.
        ("the guest orders", lambda: s.order_only(guy), 302, "moved"),
        ("the customer orders, and reads the thanks", lambda: s.order(ann), 302, "moved"),
        ("the guest reads the thanks", lambda: guy.get("/checkout/thank-you/"), 200, "moved"),
        ("once more: nothing is left to order", lambda: ann.get("/checkout/preview/"), 302, "moved"),
        ("the other orders", lambda: s.order(bob), 302, "moved"),
        ("an order is taken up", lambda: s.status("100001", "Being processed"), 302),
        ("and done", lambda: s.status("100001", "Complete"), 302),
        ("a done order cannot be cancelled", lambda: s.boss.post("/dashboard/orders/100001/", order_action="change_order_status", new_status="Cancelled"), 302),
        ("another is cancelled", lambda: s.status("100002", "Cancelled"), 302),
        ("out", lambda: ann.get("/accounts/logout/"), 302, "moved", [("logout", ANN)]),
        ("a cart of nobody yet", lambda: s.add(ann, 1), 302),
        ("a wrong password at the till", lambda: s.as_customer(ann, ANN, "wrong"), 200, "moved", [("login_failed", ANN)]),
        ("the right one", lambda: s.as_customer(ann, ANN), 302, "moved"),
        ("a customer is switched off", lambda: s.deactivate(3), 302),
    ]]
