"""A browser as far as forms go: cookies, hidden fields, redirects, multipart. Standard library only."""
import html.parser
import http.client
import secrets
import urllib.parse


class Forms(html.parser.HTMLParser):
    """Every form of a page: action, method and the fields as a browser would send them untouched."""

    def __init__(self, page):
        super().__init__()
        self.forms, self._select, self._area = [], None, None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        name = attrs.get("name")
        if tag == "form":
            self.forms.append({"action": attrs.get("action", ""), "method": attrs.get("method", "get").lower(),
                               "multipart": "multipart" in attrs.get("enctype", ""), "fields": []})
        elif not self.forms or (not name and tag != "option"):
            return
        elif tag == "input":
            kind = attrs.get("type", "text").lower()
            if kind in ("checkbox", "radio") and "checked" not in attrs or kind in ("submit", "button", "image"):
                return
            value = attrs.get("value", "on" if kind in ("checkbox", "radio") else "")
            self.forms[-1]["fields"].append((name, None if kind == "file" else value))
        elif tag == "textarea":
            self._area = [name, ""]
        elif tag == "select":
            self._select = [name, None]
        elif tag == "option" and self._select:
            if "selected" in attrs or self._select[1] is None:
                self._select[1] = attrs.get("value", "")

    def handle_data(self, data):
        if self._area:
            self._area[1] += data

    def handle_endtag(self, tag):
        if tag == "textarea" and self._area:
            self.forms[-1]["fields"].append((self._area[0], self._area[1].lstrip("\r\n")))
            self._area = None
        elif tag == "select" and self._select:
            if self._select[1] is not None:
                self.forms[-1]["fields"].append(tuple(self._select))
            self._select = None


class Browser:
    def __init__(self, port):
        self.port, self.cookies, self.page, self.url, self.status, self.follow = port, {}, "", "/", 0, True

    def request(self, method, url, body=None, headers=None):
        """One exchange, no redirect; reads the whole answer."""
        headers = {"Host": f"127.0.0.1:{self.port}", "Accept": "text/html", "Accept-Encoding": "identity",
                   "Referer": f"http://127.0.0.1:{self.port}{self.url}", **(headers or {})}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, url, body=body, headers=headers)
        answer = connection.getresponse()
        page = answer.read()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = line.split(";")[0].partition("=")
            if "max-age=0" in line.lower() or value in ("", '""'):
                self.cookies.pop(name.strip(), None)
            else:
                self.cookies[name.strip()] = value
        connection.close()
        self.status, location = answer.status, answer.headers.get("Location")
        self.page = page.decode("utf-8", "replace")
        return urllib.parse.urljoin(url, location) if location else None

    def go(self, method, url, body=None, headers=None):
        """One exchange and the redirects that follow it; gives the first answer's status."""
        location = self.request(method, url, body, headers)
        first, self.url = self.status, url
        for _ in range(10):
            if not location or not self.follow:
                return first
            parts = urllib.parse.urlsplit(location)
            self.url = urllib.parse.urlunsplit(("", "", parts.path, parts.query, ""))
            location = self.request("GET", self.url)
        raise AssertionError(f"redirects do not end at {self.url}")

    def get(self, url):
        return self.go("GET", url)

    def post(self, url, **fields):
        """A form that the page at hand does not have, as a second tab would send it."""
        token = next(value for form in Forms(self.page).forms for name, value in form["fields"] if name == "csrfmiddlewaretoken")
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": token, **fields})
        return self.go("POST", url, body, {"Content-Type": "application/x-www-form-urlencoded"})

    def press(self, action):
        """Sends the first form whose address holds `action` and is no form for a code."""
        form = next(form for form in Forms(self.page).forms if action in form["action"] and not form["action"].endswith("/add/"))
        return self.send(form, form["fields"])

    def submit(self, contains, fields=None, button=None):
        """Sends the first form that has the field `contains`, "name" or "name=value" (and is no log-out button), with some
        fields filled in."""
        forms = (form for form in Forms(self.page).forms if not form["action"].endswith(("/logout/", "/setlang/")))
        form = next(form for form in forms if any(contains in (name, f"{name}={value}") for name, value in form["fields"]))
        fields = dict(fields or {})
        sent = [(name, fields.pop(name, value)) for name, value in form["fields"]]
        return self.send(form, sent + list(fields.items()) + ([button] if button else []))

    def send(self, form, sent):
        action = urllib.parse.urljoin(self.url, form["action"] or self.url)
        if form["multipart"]:
            boundary = secrets.token_hex(12)
            body = b"".join(part(boundary, name, value) for name, value in sent) + f"--{boundary}--\r\n".encode()
            return self.go("POST", action, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
        body = urllib.parse.urlencode([(name, value or "") for name, value in sent])
        return self.go("POST", action, body, {"Content-Type": "application/x-www-form-urlencoded"})


def part(boundary, name, value):
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
    if value is None:  # a file field nobody touched
        return f'{head}; filename=""\r\nContent-Type: application/octet-stream\r\n\r\n\r\n'.encode()
    if isinstance(value, bytes):  # an upload
        return f'{head}; filename="cover.bin"\r\nContent-Type: application/octet-stream\r\n\r\n'.encode() + value + b"\r\n"
    return f"{head}\r\n\r\n{value}\r\n".encode()
