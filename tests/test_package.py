"""What users install: the wheel, by the very steps of the Dockerfile; and the client on its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hotbook import __version__

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def run(command: str, cwd: Path) -> str:
    """Runs a shell command as a machine without our environment would."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(command, shell=True, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Image:
    """The Dockerfile's build stage, carried out in a folder: its COPYs, then its RUNs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = root / "src"
        self.environment = root / "opt/hotbook"
        self.source.mkdir()
        stage = DOCKERFILE.replace("\\\n", " ").split("FROM ")[1]
        for line in stage.splitlines():
            if line.startswith("COPY "):
                self._copy(line.split()[1:])
            elif line.startswith("RUN "):
                self._run(line.removeprefix("RUN "))

    def _copy(self, words: list[str]) -> None:
        *sources, to = words
        for name in sources:
            target = self.source / to if len(sources) == 1 else self.source / to / name
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(ROOT / name, target)

    def _run(self, command: str) -> None:
        command = command.replace("python -m venv", f"{sys.executable} -m venv")
        command = re.sub(r"(?<![\w.])/(opt|dist)\b", lambda m: f"{self.root}/{m[1]}", command)
        run(command, self.source)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image(tmp_path_factory.mktemp("image"))


def test_the_image_serves(image: Image, tmp_path: Path) -> None:
    """What the image holds serves by its entry point, answers its health check, and drains."""
    command = [str(image.environment / "bin/hotbook"), "serve", "--listen=127.0.0.1:0"]
    env = {"HOTBOOK_DATA_DIR": str(tmp_path), "HOTBOOK_METRICS_LISTEN": "off"}
    with subprocess.Popen(
        command, env={**env, "PATH": f"{image.environment}/bin"}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        target = process.stdout.readline().split(" listens on ")[1].split()[0]
        status = run(f"{image.environment}/bin/hotbook status -o json -t {target}", tmp_path)
        process.terminate()

    assert f'"server_version": "{__version__}"' in status
    assert process.returncode == 0
    assert (tmp_path / "hotbook.db").exists()


def test_the_image_runs_without_rights() -> None:
    """The last stage names a user, a volume, SIGTERM, a health check, and the entry point."""
    last = DOCKERFILE.split("FROM ")[-1]
    for line in ("USER hotbook", "VOLUME /data", "STOPSIGNAL SIGTERM", "HEALTHCHECK"):
        assert line in last
    assert 'ENTRYPOINT ["hotbook", "serve"]' in last


def test_the_client_alone(image: Image, tmp_path: Path) -> None:
    """With grpcio, protobuf and msgspec alone the client works, and the CLI says what it needs."""
    pins = (ROOT / "requirements.lock").read_text()
    wanted = ("grpcio", "protobuf", "msgspec", "typing-extensions")
    pinned = [re.search(rf"^{name}==\S+", pins, re.MULTILINE) for name in wanted]
    names = " ".join(pin[0] for pin in pinned if pin)
    wheel = next((image.root / "dist").glob("*.whl"))
    run(f"{sys.executable} -m venv thin", tmp_path)
    run(f"thin/bin/pip install -q --no-deps {names} {wheel}", tmp_path)

    run("thin/bin/python -W error -c 'import hotbook; hotbook.connect().close()'", tmp_path)

    command = [str(tmp_path / "thin/bin/hotbook"), "status"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "hotbook[cli]" in done.stderr
    assert "Traceback" not in done.stderr
