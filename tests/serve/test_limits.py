"""Who may ask, how much and for how long: queue, deadline, shutdown, token, hosts, kept photos."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest

from live_server import Live, live, photo, tiny_model, with_encoder
from uois_sam import UOISSAM, UOISError
from uois_sam.backends.drawing import DrawnFeatures
from uois_sam.cli.main import main
from uois_sam.serve.config import ServerConfig
from uois_sam.serve.metrics import Metrics
from uois_sam.serve.problems import NotHereError, TooLargeError
from uois_sam.serve.run import Server, listen, make_server, serve
from uois_sam.serve.store import KeptPhoto, PhotoStore, size_of

TOKEN = "a-token-of-tests-0123"


@pytest.fixture(scope="module")
def model() -> UOISSAM:
    return tiny_model()


class Gate:
    """Holds photos before the encoder until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Semaphore(0), threading.Event()

    def __call__(self, _: object) -> None:
        self.reached.release()
        assert self.opened.wait(30)


@contextmanager
def gated(model: UOISSAM, **limits: object) -> Iterator[tuple[Live, Gate, ThreadPoolExecutor]]:
    gate = Gate()
    with live(with_encoder(model, gate), **limits) as running, ThreadPoolExecutor(8) as clients:
        try:
            yield running, gate, clients
        finally:
            gate.opened.set()


def ask(running: Live) -> httpx.Response:
    return httpx.post(f"{running.url}/v1/segment", files={"image": photo()}, timeout=60)


def test_a_full_queue_refuses_and_what_was_taken_is_answered(model: UOISSAM) -> None:
    with gated(model, workers=1, queue=1) as (running, gate, clients):
        first = clients.submit(ask, running)
        assert gate.reached.acquire(timeout=30)
        waiting = [clients.submit(ask, running) for _ in range(3)]
        refused = [each for each in waiting if not _pending(each)]
        assert [each.result().status_code for each in refused] == [429, 429]
        assert refused[0].result().headers["retry-after"] == "1"
        assert httpx.get(f"{running.url}/health").status_code == 200
        gate.opened.set()
        taken = [each for each in (first, *waiting) if each not in refused]
        assert [each.result(30).status_code for each in taken] == [200, 200]
        assert ask(running).status_code == 200
        assert 'uois_refused_total{reason="busy"} 2.0' in httpx.get(f"{running.url}/metrics").text


def _pending(each: object) -> bool:
    try:
        each.result(3)  # type: ignore[attr-defined]
    except (TimeoutError, FutureTimeoutError):  # one and the same from Python 3.11 on
        return True
    return False


def test_after_the_deadline_there_is_an_answer(model: UOISSAM) -> None:
    with gated(model, workers=1, queue=4, deadline_s=0.5) as (running, gate, clients):
        answers = [each.result(30) for each in [clients.submit(ask, running) for _ in range(2)]]
        assert [each.status_code for each in answers] == [503, 503]
        assert "within 0.5 s" in answers[0].json()["error"]
        gate.opened.set()


def test_photos_that_arrive_together_are_in_the_model_together(model: UOISSAM) -> None:
    with gated(model, workers=3) as (running, gate, clients):
        answers = [clients.submit(ask, running) for _ in range(3)]
        assert all(gate.reached.acquire(timeout=30) for _ in range(3))
        gate.opened.set()
        assert [each.result(30).status_code for each in answers] == [200] * 3


def test_many_clients_at_once_get_each_the_answer_to_its_own_photo(model: UOISSAM) -> None:
    """Sixteen clients; ``benchmarks/serve_load.py`` measures the same with real photos."""
    photos = [photo(seed=seed) for seed in range(5)]
    expected = [model.predict(each).scores.tolist() for each in photos]
    assert len({tuple(scores) for scores in expected}) == len(photos)
    with live(model, workers=2, queue=14, deadline_s=600) as running, ThreadPoolExecutor(16) as clients:

        def ask_for(number: int) -> list[float]:
            answer = httpx.post(f"{running.url}/v1/segment", files={"image": photos[number % 5]}, timeout=600)
            return [one["score"] for one in answer.raise_for_status().json()["instances"]]

        answers = list(clients.map(ask_for, range(64)))
    assert answers == [expected[number % 5] for number in range(64)]


def test_the_end_waits_for_what_was_taken(model: UOISSAM) -> None:
    with gated(model, workers=1) as (running, gate, clients):
        answer = clients.submit(ask, running)
        assert gate.reached.acquire(timeout=30)
        running.server.should_exit = True
        gate.opened.set()
        assert answer.result(30).status_code == 200
        running.thread.join(30)
        assert not running.thread.is_alive()
        with pytest.raises(httpx.ConnectError):
            ask(running)


def test_an_upload_that_stops_is_given_up(model: UOISSAM) -> None:
    head = (
        b"POST /v1/encode HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    )
    with live(model, deadline_s=0.5) as running, socket.create_connection(("127.0.0.1", running.port)) as connection:
        connection.sendall(head)
        connection.settimeout(30)
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_answers_do_not_wait_for_acknowledgements() -> None:
    """Header and body are written one after the other: with Nagle's algorithm the body waits 40 ms for the client."""

    async def no_delay_of_a_connection() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def taken(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listen(ServerConfig(port=0)) as port, socket.create_connection(port.getsockname()[:2]):
            async with await asyncio.start_server(taken, sock=port):
                return await asyncio.wait_for(found, 30)

    assert asyncio.run(no_delay_of_a_connection()) == 1


def test_a_second_server_on_the_port_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with listen(ServerConfig(port=0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    said = capsys.readouterr().err.replace("\n", " ")
    assert f"error: expected a free port at 127.0.0.1:{port}, found: Address already in use" in said


def test_other_machines_need_a_token_or_a_word(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.168.1.7", "robot"):
        with pytest.raises(UOISError, match="expected a token"):
            ServerConfig(host=host)
    assert ServerConfig(host="0.0.0.0", open_to_all=True).token is None
    assert all(ServerConfig(host=host).is_loopback for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"))
    with pytest.raises(UOISError, match="at least 16 ASCII characters"):
        ServerConfig(token="short")
    (tmp_path / "empty").touch()
    assert main(["serve", "--token-file", str(tmp_path / "empty")]) == 2
    assert main(["serve", "--host", "0.0.0.0"]) == 2
    assert main(["serve", "--queue", "-1"]) == 2
    assert "expected a token" in capsys.readouterr().err


def test_a_token_opens_all_but_page_and_health_need_none(model: UOISSAM) -> None:
    with live(model, token=TOKEN) as running, httpx.Client(base_url=running.url) as client:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Token": "é".encode()}):
            answer = client.get("/metrics", headers=headers)  # type: ignore[arg-type]
            assert answer.status_code == 401 and TOKEN not in answer.text
        for headers in ({"Authorization": f"Bearer {TOKEN}"}, {"Token": TOKEN}):
            assert client.get("/metrics", headers=headers).status_code == 200
        assert [client.get(path).status_code for path in ("/", "/health", "/page/app.js")] == [200, 200, 200]
        assert client.get("/health").json()["token"] is True
        assert client.post("/v1/segment", files={"image": photo()}).status_code == 401


def test_other_hosts_and_sites_are_refused(model: UOISSAM) -> None:
    with live(model, allowed_hosts=("robot.local",)) as running, httpx.Client(base_url=running.url) as client:
        for host in ("evil.example", "evil.example:8000", "", "localhost.evil.example", "[::1"):
            assert client.get("/health", headers={"Host": host}).status_code in (400, 421), host
        for host in ("localhost", "robot.local:8000", "10.0.0.7:8000", "[::1]:8000"):
            assert client.get("/health", headers={"Host": host}).status_code == 200, host
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://["},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            answer = client.post("/v1/encode", files={"image": photo()}, headers=headers)
            assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers
        assert client.post("/v1/encode", files={"image": photo()}, headers={"Origin": running.url}).status_code == 200
        page = client.get("/").headers
        assert "default-src 'none'" in page["content-security-policy"] and page["x-frame-options"] == "DENY"


def test_what_the_server_was_started_with_holds_for_all_but_clicks(model: UOISSAM) -> None:
    with live(model.with_request(max_objects=1)) as running, httpx.Client(base_url=running.url) as client:
        one, two = (client.post("/v1/segment", files={"image": photo()}, data=data).json()["instances"]
                    for data in ({}, {"points": "[[10, 12], [50, 40]]"}))  # fmt: skip
        assert (len(one), len(two)) == (1, 2)
        assert client.get("/health").json()["request"] == {"max_objects": 1}


def test_kept_photos_leave_by_time_number_and_memory(model: UOISSAM) -> None:
    now = 0.0
    config = ServerConfig(kept=2, kept_s=10)
    kept = KeptPhoto(model.encode_image(photo()), ())
    store = PhotoStore(config, Metrics(), lambda: now)
    first, second = store.put(kept), store.put(kept)
    assert first != second
    now = 6
    assert store.get(first) is kept  # used: it stays longer
    now = 11
    with pytest.raises(NotHereError):
        store.get(second)
    assert store.get(first) is kept
    third, fourth = store.put(kept), store.put(kept)
    with pytest.raises(NotHereError):
        store.get(first)
    assert store.get(third) is store.get(fourth)
    two = 2.5 * size_of(kept) / (1 << 20)
    small = PhotoStore(replace(config, kept=9, kept_mib=two), Metrics())
    ids = [small.put(kept) for _ in range(3)]
    with pytest.raises(NotHereError):
        small.get(ids[0])
    assert small.get(ids[1]) is small.get(ids[2])
    with pytest.raises(TooLargeError):
        PhotoStore(replace(config, kept_mib=two / 9), Metrics()).put(kept)


def test_what_the_first_click_leaves_behind_counts(model: UOISSAM) -> None:
    """Of exported models, the decoder keeps what all prompts of a photo share with the photo's features."""
    encoded = model.encode_image(photo())
    kept = KeptPhoto(encoded, ())
    before = size_of(kept)
    grown = np.zeros((1, 64, 90, 80), np.float32)
    shared = DrawnFeatures(encoded.features.mask_features.grid, encoded.features.mask_features.fine, run=lambda *_: {})
    encoded.features = replace(encoded.features, mask_features=shared)
    assert size_of(kept) == before
    vars(shared)["ground"] = {"shared": grown, "look": grown}
    assert size_of(kept) == before + grown.nbytes, "once, whoever refers to it"
    small = PhotoStore(ServerConfig(kept=9, kept_mib=(before + grown.nbytes) / (1 << 20)), Metrics())
    first, second = small.put(kept), small.put(KeptPhoto(model.encode_image(photo()), ()))
    assert small.get(second)
    with pytest.raises(NotHereError):
        small.get(first)
    alone = PhotoStore(ServerConfig(kept_mib=(before + grown.nbytes - 1) / (1 << 20)), Metrics())
    vars(shared).pop("ground")
    key = alone.put(kept)
    vars(shared)["ground"] = {"shared": grown}
    assert alone.get(key) is kept is alone.get(key), "what is in use stays"
    other = alone.put(KeptPhoto(model.encode_image(photo()), ()))
    with pytest.raises(NotHereError):
        alone.get(key)
    assert alone.get(other)


def test_the_first_signal_says_what_is_finished_and_the_second_stops(model: UOISSAM) -> None:
    lines: list[str] = []
    idle, busy = (make_server(model, ServerConfig(), lines.append) for _ in range(2))
    idle.handle_exit(signal.SIGINT, None)
    assert idle.should_exit and not lines
    loop = asyncio.new_event_loop()
    busy.server_state.tasks = {loop.create_task(asyncio.sleep(0)) for _ in range(2)}
    busy.handle_exit(signal.SIGTERM, None)
    busy.handle_exit(signal.SIGTERM, None)  # an impatient system
    assert lines == ["finishing 2 requests in hand; Ctrl+C again stops at once"]
    with pytest.raises(KeyboardInterrupt):
        busy.handle_exit(signal.SIGINT, None)
    loop.run_until_complete(asyncio.gather(*busy.server_state.tasks))
    loop.close()


def test_what_is_finished_is_not_said_in_the_handler_of_the_signal(
    model: UOISSAM, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, bool]] = []

    def run(server: Server, sockets: list[socket.socket]) -> None:
        loop = asyncio.new_event_loop()
        server.server_state.tasks = {loop.create_task(asyncio.sleep(0))}
        server.handle_exit(signal.SIGTERM, None)
        loop.run_until_complete(asyncio.gather(*server.server_state.tasks))
        loop.close()

    monkeypatch.setattr(Server, "run", run)
    config = ServerConfig(port=0)
    with listen(config) as taken:
        tell = lambda line: told.append((line, threading.current_thread() is threading.main_thread()))  # noqa: E731
        serve(model, config, taken, lambda url: None, tell)
    assert told == [("finishing 1 request in hand; Ctrl+C again stops at once", False)]


def until_refused(port: int) -> None:
    """Wait until nobody listens on a port."""
    for _ in range(3000):
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)
    raise AssertionError("the server takes new requests for ever")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_the_command_serves_until_a_signal_comes_and_answers_what_it_has_taken() -> None:
    command = [sys.executable, "-m", "uois_sam", "serve", "--port", "0", "--device", "cpu"]
    environment = {name: value for name, value in os.environ.items() if name != "UOIS_SAM_TOKEN"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line
        assert httpx.get(f"{found[0]}/health", timeout=60).json()["model"].startswith("compact-")
        content, port = photo(), int(found[0].rpartition(":")[2])
        body = b'{"image": "' + base64.b64encode(content) + b'"}'
        head = "POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with socket.create_connection(("127.0.0.1", port), 60) as connection:
            connection.sendall(
                f"{head}Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode() + body[:500]
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 100 ")  # it is in the middle of the request
            process.send_signal(signal.SIGTERM)
            until_refused(port)
            connection.sendall(body[500:])
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert answer.startswith(b"HTTP/1.1 200 ") and b'"instances"' in answer
        assert process.wait(60) == 0
        finishing = "finishing 1 request in hand; Ctrl+C again stops at once"
        assert process.stderr.read().splitlines() == [finishing, "ended"]
