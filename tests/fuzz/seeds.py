#!/usr/bin/env python3
"""Writes seed inputs for every target, from the packs' cases, the rules files and recordings (JSON lines).

    python3 tests/fuzz/seeds.py OUT [RECORDING.jsonl …]

Nothing of a recording is committed: OUT lies under target/.
"""
import base64
import hashlib
import json
import pathlib
import re
import sys
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAX_BYTES = 40_000
PER_TARGET = 300

CSS = ["td:nth-child(2)", "a[href^='/p'] ~ b", "div:has(> p.x)", "#id .a, .b:not(.c)", "tr.r > td:first-child"]
XML = ["<a x='1'><b>2</b><b y='3'/><c><b>4</b></c></a>", "<?xml version='1.0'?><n:r xmlns:n='u'><![CDATA[x]]>&amp;<i id='7'/></n:r>"]
PATHS = ["//b[@y='3']/text()", "/a/b[2]", "//c//b", "//*/@x", "//a[b='2']"]
GRAPHQL = [
    "mutation M($i:ID!){a:addItemToOrder(productVariantId:$i,quantity:2){...on Order{id code}}}\n{\"data\":{\"a\":{\"id\":1}}}",
    "query{p:products(options:{take:3,filter:{name:{eq:\"x\"}}}){items{id}}}\n{\"data\":{\"p\":{\"items\":[]}}}",
    "fragment F on Q{b}query A{...F @include(if:true)}query B{c}\n{\"errors\":[{\"path\":[\"b\",0]}],\"data\":null}",
]
EXPRESSIONS = [
    "{{ form.price | money }}", "{{ form['a[1]'] }}-{{ query.a }}", "{{ 'a' if form.s | yes else 'b' }}", "{{ response.json.items[0].sku }}",
    "{{ rows(product_id=form['x[]'], quantity=form.line) }}", "{{ form.csv | split(',') | first | int + 1 }}", "{{ form.body | text }}",
    "{{ (form.name ~ ' ' ~ form.qty) | trim | lower | default('x') }}", "{{ form.name | match('[0-9]+') }}", "{{ [1,2,3] | sum * 2 // 3 }}",
    "{{ id_of.product.sku[form.name] }}", "{{ known.product['7'].name }}", "{{ now }} {{ form.name | date }}", "{{ {'a': 1}['a'] }}",
]
LISTS = ["form.x", "form.a | keys", "form.csv | split(',')", "form.line | items", "rows(a=form['x[]'], b=form['s[]'])", "range(5)"]


class Seeds:
    def __init__(self, out):
        self.out, self.seen, self.counts = pathlib.Path(out), set(), {}

    def add(self, target, data, prefixes=(b"",)):
        data = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        for prefix in prefixes:
            seed = prefix + data
            name = hashlib.sha1(seed).hexdigest()[:16]
            if len(seed) > MAX_BYTES or (target, name) in self.seen or self.counts.get(target, 0) >= PER_TARGET:
                continue
            self.seen.add((target, name))
            self.counts[target] = self.counts.get(target, 0) + 1
            path = self.out / target
            path.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(seed)


def own(seeds):
    for css in CSS:
        seeds.add("css", css)
        seeds.add("find", css + "\ntd\nclass\n([0-9]+)|x\n<table><tr class=r><td class=a>1<td>22</table>")
    for target, rows in (("xml", XML), ("xml_path", PATHS), ("graphql", GRAPHQL)):
        for row in rows:
            seeds.add(target, row)
    for row in EXPRESSIONS:
        seeds.add("expression", row, (b"\0", b"\1", b"\3"))
    for row in LISTS:
        seeds.add("for_each", row + "\nx[]=1&x[]=2&a[3]=b&csv=1,2,,3&line[1][q]=2&s=1&s=2")
    packed = json.dumps([["__json_message", 0, 25, "Added <b>1</b>", "safe"], ["__json_message", 0, 40, "No", ""]])
    url_safe = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    for value in ("." + url_safe(zlib.compress(packed.encode())) + ":1a:sig", url_safe(packed.encode()) + ":1a:sig", "hash$" + packed):
        seeds.add("flash", value)
    import gzip

    for at, coded in enumerate((gzip.compress(b"<p>tea</p>" * 20), zlib.compress(b"tea" * 50), b"\x0b\x02\x80tea\x03", b"\x28\xb5\x2f\xfd\x20\x03\x19\0\0tea")):
        seeds.add("decoding", coded, (bytes([at]), bytes([at + 4])))
    seeds.add("multipart", b'--B\r\nContent-Disposition: form-data; name="a[1]"\r\n\r\n1\r\n--B\r\nContent-Disposition: form-data; name=f; '
              b'filename="x"\r\nContent-Type: image/png\r\n\r\nPNG\r\n--B\r\nContent-Disposition: form-data; name=b\r\n\r\n2\r\n--B--\r\n', (b"\7", b"\x40"))
    seeds.add("fields", "a[]=1\na[]=2\na[x][y]=3\nb.c=4\nd[5]=6\nd[k][]=7")
    seeds.add("flash_page", "<div class='alert ok'><div>Saved</div></div><p class=no>No</p>")
    seeds.add("charset", "text/html; charset=\n<meta charset=iso-8859-1>\xfc".encode("latin-1"), (b"\0", b"\2", b"\4", b"\5"))


def rules(seeds):
    files = list((ROOT / "rules").rglob("*.toml")) + list((ROOT / "tests/it/rules").rglob("*.toml"))
    for path in files:
        text = path.read_text()
        seeds.add("rules", text)
        for table in re.split(r"\n(?=\[event)", text):
            seeds.add("rules", table)
        for value in re.findall(r'"([^"\n]*\{\{[^"\n]*)"', text):
            seeds.add("expression", value, (b"\0", b"\3"))
    for block in re.findall(r"```toml\n(.*?)```", (ROOT / "docs/rules.md").read_text(), re.S):
        seeds.add("rules", block)
    for path in (ROOT / "rules").rglob("cases/*.txt"):
        for target in ("case_text", "packs", "suggest"):
            seeds.add(target, path.read_bytes())


def recording(seeds, path):
    lines = pathlib.Path(path).read_text().splitlines()
    for line in lines[:: max(1, len(lines) // 120)]:
        seeds.add("line", line)
        exchange(seeds, json.loads(line))
    for line in lines:
        if '"POST"' in line:
            exchange(seeds, json.loads(line))


def exchange(seeds, line):
    request, response = line["request"], line.get("response") or {"headers": [], "body_base64": "", "status": 200}
    body, answer = (base64.b64decode(side.get("body_base64") or "") for side in (request, response))
    head = lambda side: "".join(f"{name}: {value}\n" for name, value in side["headers"])
    value = lambda side, wanted: next((value for name, value in side["headers"] if name.lower() == wanted), "")
    url = request["url"]
    seeds.add("query", url.partition("?")[2], (b"\0", b"\1"))
    seeds.add("headers", url + "\n" + head(request) + head(response))
    seeds.add("cookies", "\0" + value(request, "cookie") + "\n" + value(response, "set-cookie"))
    if value(response, "location"):
        seeds.add("url", "\0shop.example\n" + url.partition("?")[0] + "\n" + value(response, "location"))
    kind = value(request, "content-type")
    if "urlencoded" in kind:
        seeds.add("form", body, (b"\0", b"\1"))
    if "multipart" in kind and "boundary=" in kind:
        boundary = kind.partition("boundary=")[2].strip('"').encode()
        seeds.add("multipart", body.replace(boundary, b"B"), (b"\7",))
    coding = {"gzip": 0, "deflate": 1, "br": 2, "zstd": 3}.get(value(response, "content-encoding"))
    if coding is not None:
        seeds.add("decoding", answer, (bytes([coding]),))
        return
    if answer[:1] in b"{[":
        seeds.add("json", answer, (b"\0", b"\1"))
    elif b"<html" in answer[:500].lower():
        for target, prefix in (("html", b""), ("flash_page", b""), ("charset", b"\0text/html\n"), ("find", b"tr\ntd\nclass\n\n")):
            seeds.add(target, answer[:8000], (prefix,))


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    out, *recordings = sys.argv[1:]
    seeds = Seeds(out)
    own(seeds)
    rules(seeds)
    for path in recordings:
        recording(seeds, path)
    har = [{"request": {"method": "GET", "url": "https://s.example/a?b=1", "headers": [{"name": "Cookie", "value": "a=1"}]},
            "response": {"status": 200, "headers": [], "content": {"text": "PHA+", "encoding": "base64", "mimeType": "text/html"}},
            "startedDateTime": "2026-11-25T10:00:00.5Z", "time": 3}]
    seeds.add("har", json.dumps({"log": {"version": "1.2", "entries": har}}))
    print(" ".join(f"{target}={count}" for target, count in sorted(seeds.counts.items())))


main()
