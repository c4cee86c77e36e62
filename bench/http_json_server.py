"""Serves records in pages of 10,000, made before the first request: it takes next to no time itself."""

import http.server
import json
import sys
import urllib.parse

PAGE = 10_000


def record(number):
    return {
        "id": number,
        "base": "BTC",
        "target": "USD",
        "last": 60000 + number % 9973 / 100,
        "volume": number % 100_000 / 1000,
        "at": f"2026-08-{number % 28 + 1:02d}T{number % 24:02d}:{number % 60:02d}:00Z",
        "market": f"market {number % 97}",
    }


def page(first, last):
    items = [record(number) for number in range(first, last)]
    return json.dumps({"items": items}, separators=(",", ":")).encode()


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    pages = []

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        number = int(query["page"][0]) - 1
        body = self.pages[number] if number < len(self.pages) else b'{"items":[]}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    rows = int(sys.argv[1])
    Pages.pages = [page(at, min(at + PAGE, rows)) for at in range(0, rows, PAGE)]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


main()
