from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote

import pytest
from tiny_datasets import PATIENT, patience

from ffcli.datasets import KNOWN
from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.http import NotFoundError, Web

FILE = "tiny.npz"


class Bars:
    def __init__(self):
        self.events = []

    def start(self, label, total):
        self.events.append(("start", label, total))

    def advance(self, n):
        self.events.append(("advance", n))

    def close(self):
        self.events.append(("close",))


def get(server, tmp_path, manner, n_bytes=1 << 16):
    return Web(patience=patience(manner)).download(server.url(f"{manner}/{FILE}"), tmp_path / "got", n_bytes)


@pytest.mark.parametrize("manner", ["ok", "unsized", "once500"])
def test_a_file_arrives_whole(server, idx_folder, tmp_path, manner):
    got = get(server, tmp_path, manner)
    assert got.read_bytes() == (idx_folder / FILE).read_bytes()


@pytest.mark.parametrize(
    ("manner", "message", "tries"),
    [
        ("404", "404", 1),
        ("403", "403", 1),
        ("500", "500", 2),
        ("half", "broke off", 2),
        ("drip", "too slow", 1),
        ("stall", "too slow|broke off", None),
        ("silent", "no answer within", 1),
        ("huge", "1114112 bytes, got 10000000000000", 1),
        ("endless", "expected at most 1114112 bytes", 1),
    ],
)
def test_a_bad_answer_ends_with_a_reason(server, tmp_path, manner, message, tries):
    with pytest.raises(BrokenDataError, match=message) as caught:
        get(server, tmp_path, manner)
    assert (type(caught.value) is NotFoundError) == (manner == "404")
    assert tries in (None, len(server.requests))


def test_a_host_that_does_not_answer_is_not_asked_again(server, tmp_path):
    web = Web(patience=patience("silent"))
    for _ in range(3):
        with pytest.raises(BrokenDataError, match="no answer within"):
            web.download(server.url("silent/a"), tmp_path / "got", 1)
    assert len(server.requests) == 1


def test_a_closed_port_and_an_unknown_host_are_told_apart(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(BrokenDataError, match="cannot be reached: Connection refused"):
            Web(patience=PATIENT).download(f"http://127.0.0.1:{port}/a", tmp_path / "got", 1)
    with pytest.raises(BrokenDataError, match=r"cannot be reached|no answer"):
        Web(patience=PATIENT).download("https://no-such-host.invalid/a", tmp_path / "got", 1)


@pytest.mark.parametrize("url", ["http://", "http://a b/", "ftp://127.0.0.1/a"])
def test_an_unusable_address_is_refused(tmp_path, url):
    with pytest.raises(BrokenDataError):
        Web(patience=PATIENT).download(url, tmp_path / "got", 1)


def test_progress_follows_the_bytes(server, idx_folder, tmp_path):
    bars = Bars()
    Web(bars, PATIENT).download(server.url(f"ok/{FILE}"), tmp_path / "got", 1 << 16)
    size = (idx_folder / FILE).stat().st_size
    assert bars.events[0] == ("start", FILE, size)
    assert sum(event[1] for event in bars.events if event[0] == "advance") == size
    assert bars.events[-1] == ("close",)


def test_progress_is_closed_when_a_transfer_fails(server, tmp_path):
    bars = Bars()
    with pytest.raises(BrokenDataError):
        Web(bars, PATIENT).download(server.url(f"half/{FILE}"), tmp_path / "got", 1 << 16)
    kinds = [event[0] for event in bars.events]
    assert kinds.count("start") == kinds.count("close") == 2


class Moved(BaseHTTPRequestHandler):
    """Sends everybody on to the address that ends the path, quoted; "/" is the file itself."""

    def do_GET(self):
        target = unquote(self.path[1:])
        self.send_response(302 if target else 200)
        if target:
            self.send_header("Location", target)
        self.send_header("Content-Length", "0" if target else "2")
        self.end_headers()
        self.wfile.write(b"" if target else b"ok")

    def log_message(self, *_):
        """Keep quiet."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of 127.0.0.1 that nobody has signed but itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*command, *names], cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def moved():
    """Return a function that starts a server which redirects, over TLS where it is given a certificate."""
    servers = []

    def start(certificate=None):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Moved)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http{'s' * (certificate is not None)}://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_https_is_spoken_and_its_certificate_checked(moved, certificate, tmp_path, monkeypatch):
    safe = moved(certificate)
    with pytest.raises(BrokenDataError, match=r"no secure connection: .*certificate"):
        Web(patience=PATIENT).download(safe, tmp_path / "got", 9)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    assert Web(patience=PATIENT).download(safe, tmp_path / "got", 9).read_bytes() == b"ok"
    assert Web(patience=PATIENT).download(safe + quote(safe), tmp_path / "got", 9).read_bytes() == b"ok"


def test_no_redirect_leads_away_from_https(moved, certificate, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    safe, plain = moved(certificate), moved()
    for target in (plain, safe + quote(plain), "file:///etc/passwd", "ftp://127.0.0.1/a"):
        for web in (Web(patience=PATIENT), Web(patience=PATIENT, plain_http=True)):
            with pytest.raises(BrokenDataError, match="HTTPS"):
                web.download(safe + quote(target, safe=""), tmp_path / "got", 9)


def test_a_redirect_may_lead_to_https(moved, certificate, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    target = quote(moved(certificate), safe="")
    assert Web(patience=PATIENT).download(moved() + target, tmp_path / "got", 9).read_bytes() == b"ok"


def test_redirects_end(moved, tmp_path):
    with pytest.raises(BrokenDataError, match="10 times"):
        Web(patience=PATIENT).download(moved() + quote("?"), tmp_path / "got", 9)


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/a", "http://example.invalid/a", "http://127.0.0.1.invalid/"]
)
def test_plain_http_is_only_for_an_address_that_the_user_gave(tmp_path, url):
    with pytest.raises(BrokenDataError, match="it is not an HTTPS address"):
        Web(patience=PATIENT).download(url, tmp_path / "got", 9)
    with pytest.raises(BrokenDataError, match=r"cannot be reached|no answer|no connection|answered"):
        Web(patience=PATIENT, plain_http=True).download(url, tmp_path / "got", 9)


def test_all_mirrors_are_https():
    urls = [url for spec in KNOWN.values() for url in (*spec.mirrors, spec.homepage)]
    assert len(urls) > 5
    assert all(url.startswith("https://") for url in urls)
