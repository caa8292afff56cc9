"""The image's steps without Docker: the same scripts in a fresh environment, and what the Dockerfile must say."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import httpx
import pytest
import yaml

import uois_sam

ROOT = Path(uois_sam.__file__).parents[2]
DOCKER = ROOT / "docker"
pytestmark = [
    pytest.mark.skipif(not DOCKER.exists(), reason="docker/ is not beside these tests"),
    pytest.mark.skipif(os.name != "posix", reason="the image is Linux"),
]
TOKEN = "a-token-of-this-test"


def instructions(path: Path) -> list[tuple[str, str]]:
    """Instructions of a Dockerfile with their arguments, comments left out and lines joined."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^\s*#.*\n", "", path.read_text()))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def last_stage() -> list[tuple[str, str]]:
    steps = instructions(DOCKER / "Dockerfile")
    return steps[max(index for index, (word, _) in enumerate(steps) if word == "FROM") :]


def allowed(path: str) -> bool:
    """Whether .dockerignore, which forbids everything and then allows, lets a path into the build."""
    lines = (ROOT / ".dockerignore").read_text().split()
    assert lines[0] == "*"
    return any(path == line[1:] or path.startswith(f"{line[1:]}/") for line in lines if line.startswith("!"))


def test_everything_that_is_copied_exists_and_reaches_the_build() -> None:
    copied = [rest.split() for word, rest in instructions(DOCKER / "Dockerfile") if word == "COPY"]
    sources = [source for words in copied if not words[0].startswith("--from=") for source in words[:-1]]
    assert {"src", "pyproject.toml", "docker/install.sh", "docker/serve.sh", "docker/health.py"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists() and allowed(source), source


def test_the_image_installs_by_the_script_and_runs_as_no_root() -> None:
    steps = instructions(DOCKER / "Dockerfile")
    assert [rest for word, rest in steps if word == "RUN" and "install" in rest] == [
        "TORCH=${TORCH} sh docker/install.sh /source /opt/uois-sam"
    ]
    assert ("ARG", "TORCH=cpu") in steps
    assert all(re.fullmatch(r"python:\$\{PYTHON\}-slim( AS build)?", rest) for word, rest in steps if word == "FROM")
    final = last_stage()
    users = [rest for word, rest in final if word == "USER"]
    assert users and users[-1] not in ("0", "root")
    order = [word for word, _ in final]
    assert order.index("USER") > max(index for index, word in enumerate(order) if word in ("RUN", "COPY"))
    assert dict(final)["ENTRYPOINT"] == '["sh", "/opt/serve.sh"]'
    assert dict(final)["HEALTHCHECK"].endswith('CMD ["python", "/opt/health.py"]')


def test_both_services_are_reached_from_this_machine_only() -> None:
    compose = yaml.safe_load((DOCKER / "compose.yml").read_text())
    services = compose["services"]
    assert set(services) == {"uois-sam", "prometheus"}
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert "privileged" not in service
    assert (DOCKER / services["uois-sam"]["build"]["context"]).resolve() == ROOT
    assert (ROOT / services["uois-sam"]["build"]["dockerfile"]).exists()
    assert not services["prometheus"]["image"].endswith(":latest") and ":" in services["prometheus"]["image"]
    scraped = yaml.safe_load((DOCKER / "prometheus.yml").read_text())["scrape_configs"][0]
    assert scraped["static_configs"][0]["targets"] == ["uois-sam:8000"]
    assert services["uois-sam"]["command"] == ["--allow-host", "uois-sam"]  # the name by which Prometheus asks
    secret = f"/run/secrets/{next(iter(compose['secrets']))}"
    assert scraped["authorization"]["credentials_file"] == secret == services["uois-sam"]["environment"]["TOKEN_FILE"]
    assert "docker/token.txt" in (ROOT / ".gitignore").read_text().split()


@pytest.mark.slow
def test_the_scripts_install_serve_and_tell_health(tmp_path: Path) -> None:
    """A fresh environment that borrows the packages of this one, all but uois-sam itself."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    site = next(home.rglob("site-packages"))
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE", "NOTICE", "src"):
        (source / name).symlink_to(ROOT / name)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "UOIS_SAM_TOKEN")}
    offline = {"TORCH": "present", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_QUIET": "1",
               "PIP_IGNORE_INSTALLED": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}  # fmt: skip
    command = ["sh", str(DOCKER / "install.sh"), str(source), str(home)]
    subprocess.run(command, env={**environment, **offline}, check=True, cwd=tmp_path)
    assert (site / "uois_sam" / "serve" / "page" / "index.html").exists()

    environment |= {"PATH": f"{home / 'bin'}:{environment['PATH']}", "PORT": "0", "HOST": "127.0.0.1"}
    (tmp_path / "token.txt").write_text(TOKEN)
    environment |= {"TOKEN_FILE": str(tmp_path / "token.txt"), "OMP_NUM_THREADS": "1"}
    command = ["sh", str(DOCKER / "serve.sh"), "--device", "cpu"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as server:
        try:
            assert server.stderr is not None
            url = re.search(r"http://127\.0\.0\.1:(\d+)", server.stderr.readline())
            assert url is not None
            healthy = [sys.executable, str(DOCKER / "health.py")]
            assert subprocess.run(healthy, env={**environment, "PORT": url[1]}, check=False).returncode == 0
            assert httpx.get(f"{url[0]}/metrics").status_code == 401
            answer = httpx.get(f"{url[0]}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
            assert "uois_requests_total" in answer.text
            assert json.loads(httpx.get(f"{url[0]}/health").text)["status"] == "ok"
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
            assert subprocess.run(healthy, env={**environment, "PORT": url[1]}, check=False).returncode == 1
        finally:
            server.kill()
    bare = {name: value for name, value in environment.items() if name not in ("TOKEN_FILE", "HOST")}
    refused = subprocess.run(command, env=bare, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert refused.returncode == 2 and "expected a token" in refused.stderr
