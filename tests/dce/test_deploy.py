"""Image, compose files and unit against the code: settings, paths, bounds, commands, packages."""

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from dce.child import EXIT_JOURNAL, EXIT_REASONS
from dce.child_process import STOP_S
from dce.cli import build_parser
from dce.config import load, settings
from dce.config_layers import environment_layer
from tests.interop.ports import free_port
from vocabulary.limits import descriptors_max, udp_receive_buffer_bytes

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "systemd" / "dce.service"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENDS_WITHIN_S = load("/dev/null", environ={}).signal.drain_s + 3 * STOP_S


def known(names: dict[str, str]) -> list[str]:
    """What is wrong with variables, by the configuration's own rules."""
    files = {name: value for name, value in names.items() if name.endswith("_FILE")}
    rest = {name: value for name, value in names.items() if name not in files}
    errors = environment_layer(rest, settings()).errors
    errors += [name for name in files if not any(
        name == f"DCE_{key.upper().replace('.', '_')}_FILE" for key in settings())]
    return errors


def document(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def service(path: Path) -> dict[str, Any]:
    (found,) = document(path)["services"].values()
    return dict(found)


def plain(value: str) -> str:
    """A value of a compose file with nothing set: ${NAME:-default} becomes its default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def stages() -> list[list[str]]:
    """The Dockerfile's instructions by stage, lines joined, comments dropped."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M)
    lines = [" ".join(line.split()) for line in text.replace("\\\n", " ").splitlines() if line]
    starts = [index for index, line in enumerate(lines) if line.startswith("FROM ")]
    return [lines[a:b] for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]


def instruction(stage: list[str], name: str) -> str:
    (found,) = [line for line in stage if line.startswith(f"{name} ")]
    return found.partition(" ")[2]


def test_the_image_has_no_compiler_no_root_and_one_place_to_write() -> None:
    build, image = stages()
    assert "gcc" in " ".join(build)
    assert not re.search(r"\b(gcc|apt-get|libc6-dev)\b", " ".join(image))
    assert f"--find-links=/wheels {PROJECT['project']['name']}" in " ".join(image)
    user, _, group = instruction(image, "USER").partition(":")
    assert user.isdecimal()
    assert group.isdecimal()
    assert f"--uid {user} " in " ".join(image)
    variables = dict(word.split("=", 1) for word in shlex.split(instruction(image, "ENV")))
    ours = {name: value for name, value in variables.items() if name.startswith("DCE_")}
    assert known(ours) == []
    assert instruction(image, "VOLUME") == ours["DCE_DATA_DIR"]
    assert instruction(image, "ENTRYPOINT") == '["dce"]'
    assert build_parser().parse_args(yaml.safe_load(instruction(image, "CMD"))).command
    probe = yaml.safe_load(instruction(image, "HEALTHCHECK").partition(" CMD ")[2])
    assert build_parser().parse_args(probe[1:]).ready is False
    wanted = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert {stage[0].split()[1] for stage in (build, image)} == {f"python:{wanted}-slim-bookworm"}


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.dev.yml"])
def test_compose_files_include_what_is_there(name: str) -> None:
    included = document(ROOT / name)["include"]
    listed = [each for entry in included
              for each in ([entry] if isinstance(entry, str) else entry["path"])]
    assert listed[0] == "deploy/compose.yaml"
    assert all((ROOT / each).is_file() for each in listed)


@pytest.mark.parametrize("name", ["compose.yaml", "compose.dev.yaml"])
def test_compose_sets_what_exists(name: str) -> None:
    given = {key: plain(value) for key, value in service(DEPLOY / name)["environment"].items()}
    assert known(given) == []
    load("/dev/null", environ=given)  # the defaults of the file are a whole configuration
    commented = set(re.findall(r"DCE_\w+_FILE", (DEPLOY / name).read_text()))
    assert known(dict.fromkeys(commented, "x")) == []


def test_the_container_is_closed_and_has_time_to_drain() -> None:
    found = service(DEPLOY / "compose.yaml")
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    _, image = stages()
    assert [volume.split(":")[1] for volume in found["volumes"]] == [
        instruction(image, "VOLUME")]
    assert int(found["stop_grace_period"].removesuffix("s")) >= ENDS_WITHIN_S
    assert found["ulimits"]["nofile"]["soft"] >= descriptors_max
    assert (DEPLOY / found["build"]["context"]).resolve() == ROOT
    dev = service(DEPLOY / "compose.dev.yaml")
    assert dev["build"]["args"] == {"DCE_COMPILE": "0"}
    assert dev["volumes"] == [f"..:{dev['working_dir']}:ro"]


def unit() -> dict[str, str]:
    """[Service] of the unit; the last of a repeated key, Environment joined."""
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text())
    return dict(parser["Service"])


def test_the_unit_runs_what_exists_and_has_time_to_drain() -> None:
    found = unit()
    words = shlex.split(found["ExecStart"])
    assert words[0].endswith("/bin/dce")
    assert build_parser().parse_args(words[1:]).config == "/etc/dce/config.yaml"
    given = dict(word.split("=", 1) for word in found["Environment"].split())
    assert known(given) == []
    assert given["DCE_DATA_DIR"] == "/var/lib/" + found["StateDirectory"]
    assert given["DCE_RUNTIME_DIR"] == "/run/" + found["RuntimeDirectory"]
    assert (found["Type"], found["NotifyAccess"]) == ("notify", "main")
    assert int(found["TimeoutStopSec"]) >= ENDS_WITHIN_S
    assert int(found["LimitNOFILE"]) >= descriptors_max
    final = {*EXIT_REASONS} - {EXIT_JOURNAL}  # another start may find a healthy disk
    assert set(map(int, found["RestartPreventExitStatus"].split())) == final
    commented = set(re.findall(r"DCE_\w+_FILE", UNIT.read_text()))
    assert known(dict.fromkeys(commented, "x")) == []
    sysctl = (DEPLOY / "systemd" / "60-dce.conf").read_text()
    assert f"net.core.rmem_max = {udp_receive_buffer_bytes}\n" in sysctl


def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.M)
    copy = tmp_path / UNIT.name
    copy.write_text(text)
    done = subprocess.run(
        [program, "verify", "--man=no", copy], capture_output=True, text=True, check=False,
        timeout=60,
    )
    ours = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert ours == []


def test_every_package_and_file_of_the_tree_is_installed() -> None:
    tops = {name.partition(".")[0] for name in PROJECT["tool"]["setuptools"]["packages"]}
    tree = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in tops for path in (ROOT / top).rglob("__init__.py")
    }
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(tree)
    (files,) = PROJECT["tool"]["setuptools"]["data-files"].values()
    assert sorted(files) == sorted(f"configs/{path.name}" for path in (ROOT / "configs").iterdir())


def test_the_wheel_holds_all_that_runs(tmp_path: Path) -> None:
    """Built as plain Python, from a copy: a build leaves folders behind."""
    copy = tmp_path / "tree"
    tops = {name.partition(".")[0] for name in PROJECT["tool"]["setuptools"]["packages"]}
    for name in (*sorted(tops), "configs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns(
            "*.so", "*.c", "__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    wanted = {str(path.relative_to(copy)) for top in tops for path in (copy / top).rglob("*")
              if path.is_file() and path.suffix != ".pyx"}  # compiled ones have a plain twin
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
         "--wheel-dir", tmp_path, "."],
        cwd=copy, env={**os.environ, "DCE_COMPILE": "0"}, capture_output=True, text=True,
        timeout=120, check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    held = zipfile.ZipFile(wheel).namelist()
    assert sorted(wanted - set(held)) == []
    shared = [name.partition("share/dce/")[2] for name in held if "/data/share/dce/" in name]
    assert sorted(shared) == ["config.yaml", "demo_plan.yaml"]
    assert any(name.endswith("/licenses/LICENSE") for name in held)


READ_ONLY = """
mount --make-rprivate / && mount --bind "$DCE_DATA_DIR" "$DCE_DATA_DIR" \\
    && mount -o remount,ro,bind / && ! touch "$PROBE" 2>/dev/null && exec "$@"
"""


async def test_it_runs_on_a_read_only_root(tmp_path: Path) -> None:
    """In a mount namespace of its own; only the data folder can be written."""
    data = tmp_path / "data"
    data.mkdir()
    environ = {
        **os.environ, "DCE_DATA_DIR": str(data), "DCE_RUNTIME_DIR": str(data / "run"),
        "DCE_SIP__LISTEN": f"udp:127.0.0.1:{free_port()}", "DCE_HTTP__LISTEN": "127.0.0.1:0",
        "DCE_DATABASE_URL": f"postgresql://dce@/dce?host={tmp_path}",
        "PROBE": str(tmp_path / "probe"), "PYTHONDONTWRITEBYTECODE": "1",
    }
    process = await asyncio.create_subprocess_exec(
        "unshare", "--mount", "sh", "-c", READ_ONLY, "sh", sys.executable, "-m", "dce", "run",
        cwd=ROOT, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(60):
        line = await process.stdout.readline()
        if not line:
            said = (await process.stderr.read()).decode()
            if "dce" not in said:
                pytest.skip(f"no mount namespaces here: {said.strip()}")
            raise AssertionError(said)
        process.terminate()
        assert await process.wait() == 0
    assert line.startswith(b"dce: ready.")
