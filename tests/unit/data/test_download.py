"""Downloads from a server on the loopback that misbehaves as servers and networks do."""

import hashlib
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import yaml
from torchvision import datasets

from ptq_privacy.data import dataset
from ptq_privacy.data.download import download
from ptq_privacy.data.preparation import prepare
from ptq_privacy.data.sources import fashion_mnist
from ptq_privacy.study import fragments
from tests.unit.data import published_archives

PUBLISHED = [
    name for name, fragment in fragments.of_kind("sources").items() if "files" in fragment.more
]
SHIPPED = Path(__file__).parents[3] / "config"

CONTENT = np.random.default_rng(0).bytes(300_000)
SUMS = {
    "sha256": hashlib.sha256(CONTENT).hexdigest(),
    "md5": hashlib.md5(CONTENT).hexdigest(),
}
PAGE = b"<!DOCTYPE html><html><body>Please sign in</body></html>"


class Server(ThreadingHTTPServer):
    """Answers each request with the next of `answers`, and records what was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = {"/file": CONTENT}
        self.answers = []
        self.asked = []

    def address(self, path="/file"):
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        answer = self.server.answers.pop(0) if self.server.answers else "whole"
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        content = self.server.content[self.path]
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if isinstance(answer, int):
            self.send_error(answer)
        elif answer == "page":
            self.reply(200, PAGE, len(PAGE))
        elif answer == "other part":
            part = content[start + 1 :]
            self.reply(206, part, len(part), f"bytes {start + 1}-{len(content) - 1}/*")
        elif wanted and start >= len(content):
            self.send_error(416)
        elif answer == "no ranges":
            self.reply(200, content, len(content))
        elif answer == "no length":
            self.reply(200, content, None)
        else:
            part = content[start:]
            sent = part[: len(part) // 2] if answer == "cut" else part
            span = f"bytes {start}-{len(content) - 1}/{len(content)}" if wanted else None
            self.reply(206 if wanted else 200, sent, len(part), span)

    def reply(self, status, sent, length, span=None):
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if span:
            self.send_header("Content-Range", span)
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def fetch(server, tmp_path):
    def fetch(*answers, addresses=None, checksums=SUMS, **options):
        server.answers += answers
        place = tmp_path / "folder" / "file.bin"
        return download(addresses or [server.address()], place, checksums, pause_s=0, **options)

    return fetch


def left(tmp_path):
    """Names and sizes of all files under the test's folder."""
    return {p.name: p.stat().st_size for p in tmp_path.rglob("*") if p.is_file()}


def test_a_file_is_downloaded_once(server, fetch, tmp_path):
    assert fetch().read_bytes() == CONTENT
    assert fetch() == tmp_path / "folder" / "file.bin"
    assert server.asked == [("/file", None)]
    assert left(tmp_path) == {"file.bin": len(CONTENT)}


def test_a_cut_connection_is_continued(server, fetch, tmp_path):
    assert fetch("cut", "cut", "whole").read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [None, "bytes=150000-", "bytes=225000-"]
    assert left(tmp_path) == {"file.bin": len(CONTENT)}


def test_a_later_run_continues_as_well(server, fetch, tmp_path):
    with pytest.raises(ConnectionError, match=r"file\.bin could not.*225000 of 300000 bytes.*path"):
        fetch("cut", "cut", attempts=2)
    assert left(tmp_path) == {".file.bin.partial": 225_000}
    assert fetch().read_bytes() == CONTENT
    assert server.asked[-1] == ("/file", "bytes=225000-")


@pytest.mark.parametrize("answer", ["no ranges", "no length"])
def test_a_server_without_ranges_starts_again(answer, server, fetch):
    assert fetch("cut", answer).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [500, 502, 503, 408, 429])
def test_a_passing_trouble_is_waited_out(status, server, fetch):
    assert fetch(status, "cut", status).read_bytes() == CONTENT
    assert len(server.asked) == 4


def test_pauses_grow(server, tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr("ptq_privacy.data.download.time.sleep", pauses.append)
    server.answers += [503] * 4
    with pytest.raises(ConnectionError, match="503"):
        download([server.address()], tmp_path / "x", SUMS, attempts=4, pause_s=0.5)
    assert pauses == [0.5, 1, 2]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_lasting_refusal_is_not_tried_again(status, server, fetch, tmp_path):
    with pytest.raises(ConnectionError, match=rf"file\.bin could not.*{status}"):
        fetch(*[status] * 9)
    assert len(server.asked) == 1
    assert left(tmp_path) == {}


def test_the_next_address_is_tried(server, fetch):
    server.content["/mirror"] = CONTENT
    addresses = [server.address("/file"), server.address("/mirror")]
    assert fetch(404, "cut", addresses=addresses).read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["/file", "/mirror", "/mirror"]


def test_a_mirror_continues_what_another_began(server, fetch):
    server.content["/mirror"] = CONTENT
    addresses = [server.address("/file"), server.address("/mirror")]
    assert fetch("cut", addresses=addresses).read_bytes() == CONTENT
    assert server.asked == [("/file", None), ("/mirror", "bytes=150000-")]


def test_other_content_is_refused(server, fetch, tmp_path):
    server.content["/file"] = CONTENT[:-1] + b"x"
    with pytest.raises(
        ValueError, match=rf"file\.bin from http.*sha256 is .*, not {SUMS['sha256']}"
    ):
        fetch()
    assert len(server.asked) == 1
    assert left(tmp_path) == {}


def test_each_checksum_must_match(fetch, tmp_path):
    with pytest.raises(ValueError, match="md5 is"):
        fetch(checksums=SUMS | {"md5": "0" * 32})
    assert left(tmp_path) == {}


def test_a_web_page_is_called_one(fetch, tmp_path):
    with pytest.raises(ValueError, match=r"file\.bin from http.*: a web page was served"):
        fetch("page")
    assert left(tmp_path) == {}


def test_a_wrong_beginning_is_thrown_away(server, fetch, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / ".file.bin.partial").write_bytes(b"from elsewhere")
    assert fetch().read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == ["bytes=14-", None]
    assert left(tmp_path) == {"file.bin": len(CONTENT)}


@pytest.mark.parametrize("kept", [CONTENT, CONTENT + b"more"])
def test_a_beginning_that_lacks_nothing(kept, server, fetch, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / ".file.bin.partial").write_bytes(kept)
    assert fetch().read_bytes() == CONTENT


def test_another_part_than_asked_for_is_not_used(server, fetch):
    assert fetch("cut", "other part").read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [None, "bytes=150000-", None]


def test_a_damaged_download_of_before_is_named_and_replaced(server, fetch, tmp_path, caplog):
    (tmp_path / "folder").mkdir()
    damaged = tmp_path / "folder" / "file.bin"
    damaged.write_bytes(CONTENT[:1000])
    with pytest.raises(ConnectionError, match=rf"{damaged}: sha256 is .*; file\.bin could not be"):
        fetch(404)
    assert damaged.read_bytes() == CONTENT[:1000]
    assert fetch().read_bytes() == CONTENT
    assert f"{damaged}: sha256 is" in caplog.text


def test_no_server_at_all(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as closed:
        port = closed.server_port
    with pytest.raises(ConnectionError, match=r"x\.bin could not be downloaded.*refused"):
        download([f"http://127.0.0.1:{port}/"], tmp_path / "x.bin", SUMS, 3, 0)
    assert left(tmp_path) == {}


def test_jobs_that_want_the_same_wait_for_each_other(server, fetch):
    server.answers += ["cut", "cut"]
    found = []
    threads = [threading.Thread(target=lambda: found.append(fetch())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes() for path in found] == [CONTENT] * 6
    assert len(server.asked) == 3


def test_progress_is_logged(fetch, caplog, monkeypatch):
    monkeypatch.setattr("ptq_privacy.data.download.PROGRESS_S", 0)
    with caplog.at_level(logging.INFO):
        fetch("cut")
    text = caplog.text
    assert "downloading from http://127.0.0.1" in text
    assert "byte 150000 of 300000" in text
    assert "0.1 of 0.3 MB" in text
    assert "attempt 1 of 6 failed" in text


@pytest.mark.parametrize("source", PUBLISHED)
def test_every_published_set_is_downloaded_and_prepared(source, server, tmp_path, monkeypatch):
    """Whole, from archives in the real formats, over connections that break."""
    more = fragments.get("sources", source).more
    files = list(more["files"])
    if source == "fashion-mnist":
        made = published_archives.fashion_mnist(tmp_path / "served")
    elif source == "tiny-imagenet":
        made = published_archives.tiny_imagenet(tmp_path / "served" / files[0])
    elif source in ("locations", "banking77"):
        path = tmp_path / "served"
        if source == "locations":
            path = path / files[0]
        getattr(published_archives, source)(path)
        local = prepare({"name": "x", "source": source, "path": str(path)})
        made = {part: getattr(local, part) for part in dataset.ARRAYS}
    else:
        made = published_archives.cifar(source, tmp_path / "served" / files[0])
    served = {}
    for file in files:
        content = (tmp_path / "served" / file).read_bytes()
        server.content[f"/{file}"] = content
        digest = hashlib.sha256(content).hexdigest()
        served[file] = {"addresses": [server.address(f"/{file}")], "sha256": digest}
    monkeypatch.setitem(more, "files", served)
    monkeypatch.setattr(fashion_mnist, "INSTALLED", tmp_path / "nowhere")
    monkeypatch.setattr("ptq_privacy.data.download.time.sleep", lambda _: None)
    server.answers += ["cut", 503]
    data = prepare({"name": "x", "source": source}, tmp_path / "downloads")
    for name, content in made.items():
        np.testing.assert_array_equal(getattr(data, name), content, err_msg=name)
    asked = len(server.asked)
    assert asked == len(files) + 2
    again = prepare({"name": "x", "source": source}, tmp_path / "downloads")
    assert again.sha256 == data.sha256
    assert len(server.asked) == asked
    assert left(tmp_path / "downloads").keys() == set(files)


@pytest.mark.parametrize("source", PUBLISHED)
def test_a_local_path_touches_no_network(source, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was touched")

    monkeypatch.setattr("ptq_privacy.data.download.urlopen", refuse)
    if source == "fashion-mnist":
        published_archives.fashion_mnist(tmp_path / "x")
    elif source == "tiny-imagenet":
        published_archives.tiny_imagenet(tmp_path / "x")
    elif source in ("locations", "banking77"):
        getattr(published_archives, source)(tmp_path / "x")
    else:
        published_archives.cifar(source, tmp_path / "x")
    data = prepare({"name": "x", "source": source, "path": str(tmp_path / "x")})
    assert len(data.train_labels)


def test_the_shipped_fashion_mnist_config_uses_the_package_or_downloads(
    server, tmp_path, monkeypatch
):
    config = yaml.safe_load((SHIPPED / "fashion-mnist.yaml").read_text())
    settings = {"name": "x", **config["datasets"]["fashion-mnist"], "audit_samples": 200}
    assert "path" not in settings
    made = published_archives.fashion_mnist(tmp_path / "package")
    files = {}
    for path in (tmp_path / "package").iterdir():
        server.content[f"/{path.name}"] = content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        files[path.name] = {"addresses": [server.address(f"/{path.name}")], "sha256": digest}
    monkeypatch.setitem(fragments.get("sources", "fashion-mnist").more, "files", files)
    monkeypatch.setattr(fashion_mnist, "INSTALLED", tmp_path / "package")
    installed = prepare(settings, tmp_path / "downloads")
    assert (server.asked, str(tmp_path / "package") in installed.source) == ([], True)
    (tmp_path / "package" / "train-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"package/train-labels-idx1-ubyte\.gz: damaged"):
        prepare(settings, tmp_path / "downloads")
    monkeypatch.setattr(fashion_mnist, "INSTALLED", tmp_path / "nowhere")
    downloaded = prepare(settings, tmp_path / "downloads")
    assert sorted(path for path, _ in server.asked) == sorted(server.content.keys() - {"/file"})
    assert downloaded.sha256 == installed.sha256
    assert downloaded.source.endswith(", downloaded")
    np.testing.assert_array_equal(downloaded.test_inputs, made["test_inputs"])


def test_the_shipped_addresses_and_checksums_are_whole():
    for source in PUBLISHED:
        for file in fragments.get("sources", source).more["files"].values():
            assert all(address.startswith("http") for address in file["addresses"])
            assert len(bytes.fromhex(file["md5"])) == 16
            assert len(bytes.fromhex(file["sha256"])) == 32


def test_the_shipped_checksums_are_torchvisions():
    fashion = fragments.get("sources", "fashion-mnist").more
    ours = [(name, file["md5"]) for name, file in fashion["files"].items()]
    assert ours == datasets.FashionMNIST.resources
    assert fashion["classes"] == datasets.FashionMNIST.classes
    for source, theirs in (("cifar-10", datasets.CIFAR10), ("cifar-100", datasets.CIFAR100)):
        ours = fragments.get("sources", source).more["files"][theirs.filename]
        assert ours["md5"] == theirs.tgz_md5
        assert ours["addresses"][0] == theirs.url
