"""Downloads, from a server on the loopback address."""

import functools
import hashlib
import http.server
import socket
import threading

import pytest

import bnsl
from bnsl.curves.fetching import fetch, read_checked

CONTENT = b"a,b\n1,2\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, log, *args, **kwargs):
        self.log = log
        super().__init__(*args, **kwargs)

    def do_GET(self):
        self.log.append(self.path)
        found = self.path == "/data/table.csv"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(CONTENT) if found else 0))
        self.end_headers()
        if found:
            self.wfile.write(CONTENT)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """The address of a server that knows /data/table.csv, and the paths that were asked for."""
    log = []
    with http.server.HTTPServer(("127.0.0.1", 0), functools.partial(Handler, log)) as it:
        thread = threading.Thread(target=it.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{it.server_address[1]}/data/", log
        it.shutdown()
        thread.join()


def test_a_file_is_fetched_once_and_kept(server, tmp_path, capsys):
    url, log = server
    for _ in range(2):
        path = fetch("table.csv", SHA256, url, tmp_path / "cache")
        assert path.read_bytes() == CONTENT
        assert path.parent == tmp_path / "cache"
    assert log == ["/data/table.csv"]
    assert capsys.readouterr() == ("", "")


def test_a_damaged_file_in_the_cache_is_fetched_anew(server, tmp_path):
    url, log = server
    (tmp_path / "table.csv").write_bytes(b"rubbish")
    assert fetch("table.csv", SHA256, url, tmp_path).read_bytes() == CONTENT
    assert len(log) == 1


def test_a_wrong_hash_is_refused_and_not_kept(server, tmp_path):
    with pytest.raises(bnsl.InputError, match=r"table\.csv arrived damaged from http.*set BNSL_DATA_DIR"):
        fetch("table.csv", "0" * 64, server[0], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_told(server, tmp_path):
    with pytest.raises(
        bnsl.InputError, match=r"other\.csv was not found .* \(HTTP status 404\); try again, or get the file"
    ):
        fetch("other.csv", SHA256, server[0], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_connection_is_told(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(
        bnsl.InputError, match=r"\(no connection\); try again, or get the file by other means and set BNSL_D"
    ):
        fetch("table.csv", SHA256, f"http://127.0.0.1:{port}/", tmp_path)


def test_a_silent_server_is_told(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(bnsl.InputError, match=r"\(no answer\)"):
            fetch("table.csv", SHA256, url, tmp_path, timeout=0.2)


def test_a_file_where_the_cache_should_be_is_told(server, tmp_path):
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(bnsl.InputError, match=r"table\.csv cannot be kept in .*BNSL_DATA_DIR"):
        fetch("table.csv", SHA256, server[0], tmp_path / "cache")


def test_a_file_is_read_if_its_hash_is_right(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"a,b\n1,2\n")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_checked(path, sha256, "").shape == (1, 2)
    with pytest.raises(bnsl.InputError, match=r"is damaged or another version.*; do this"):
        read_checked(path, sha256[::-1], "do this")
    with pytest.raises(bnsl.InputError, match="cannot be read: No such file or directory; do this"):
        read_checked(tmp_path / "none.csv", sha256, "do this")
