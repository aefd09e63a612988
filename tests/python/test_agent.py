# SPDX-License-Identifier: MIT
"""The extension modules are found and loaded by every Python that they are for, and are built like the rest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import agents as tool
import interpreters
import pytest
import sources

SHOW = "import outpace._agent as a, outpace._agents as f; print(a.__name__, a.__file__, f.find_agent(), sep='\\n')"
FOUND = [each for each in interpreters.find() if each.minor >= 10]


@pytest.fixture(scope="session")
def agents(build: Path) -> Path:
    folder = build / "agents"
    if not folder.is_dir():
        pytest.skip("there are no agents: run make agents")
    return folder


@pytest.fixture(params=FOUND, ids=[each.version for each in FOUND])
def interpreter(request: pytest.FixtureRequest) -> interpreters.Interpreter:
    each = request.param
    assert isinstance(each, interpreters.Interpreter)
    return each


@pytest.fixture
def seen(interpreter: interpreters.Interpreter, root: Path, agents: Path) -> Iterator[tuple[Path, Path]]:
    """The package and the agents at a place that the interpreter sees, as it names them."""
    if interpreter.root == Path("/"):
        yield root / "python", agents
        return
    with tempfile.TemporaryDirectory(dir=interpreter.scratch) as scratch:
        shutil.copytree(root / "python/outpace", Path(scratch) / "python/outpace")
        shutil.copytree(agents, Path(scratch) / "agents")
        inside = Path("/") / Path(scratch).relative_to(interpreter.root)
        yield inside / "python", inside / "agents"


def start(interpreter: interpreters.Interpreter, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("OUTPACE_", "PYTHON"))}
    environment |= variables
    command = [*interpreter.command, "-X", "dev", "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_the_agent_is_imported(interpreter: interpreters.Interpreter, seen: tuple[Path, Path]) -> None:
    package, agents = seen
    done = start(interpreter, SHOW, PYTHONPATH=str(package), OUTPACE_TRACE_AGENT=f"relative:/nowhere:{agents}")
    assert (done.returncode, done.stderr) == (0, "")
    name, path, found = done.stdout.splitlines()
    assert name == "outpace._agent"
    assert path == found
    assert Path(path).parent == agents
    assert f"-3{interpreter.minor}-" in path


def test_the_agent_is_found_beside_the_executable(interpreter: interpreters.Interpreter, seen: tuple[Path, Path]) -> None:
    package, agents = seen
    done = start(interpreter, SHOW, PYTHONPATH=str(package), OUTPACE_EXECUTABLE=str(agents.parent / "outpace"))
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(done.stdout.splitlines()[1]).parent == agents


def test_the_agents_of_a_checkout_are_found(root: Path) -> None:
    if not (root / "build/agents").is_dir():
        pytest.skip("build/ has no agents: run make agents")
    own = interpreters.Interpreter("3.0", (sys.executable,), Path("/"))
    done = start(own, SHOW, PYTHONPATH=str(root / "python"))
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(done.stdout.splitlines()[1]).parent == root / "build/agents"


def test_an_agent_that_is_not_there_is_said(root: Path) -> None:
    own = interpreters.Interpreter("3.0", (sys.executable,), Path("/"))
    code = "import outpace._agents as f\ntry: f.find_agent(['.other.so'])\nexcept FileNotFoundError as e: print(e)"
    done = start(own, code, PYTHONPATH=str(root / "python"))
    told, _, folders = done.stdout.strip().partition(" in ")
    assert told == "no agent for this Python (_agent.other.so)", done.stderr
    assert str(root / "python/outpace") in folders.split(", ")


def test_the_cache_is_imported(interpreter: interpreters.Interpreter, seen: tuple[Path, Path]) -> None:
    package, agents = seen
    code = "import outpace._cache as c; print(c.__name__, c.__file__, sep='\\n')"
    done = start(interpreter, code, PYTHONPATH=str(package), OUTPACE_TRACE_AGENT=str(agents))
    assert (done.returncode, done.stderr) == (0, "")
    name, path = done.stdout.splitlines()
    assert (name, Path(path).parent) == ("outpace._cache", agents)
    assert f"-3{interpreter.minor}-" in path


@pytest.mark.parametrize("module", sources.MODULES)
def test_a_module_shows_nothing_but_its_door(agents: Path, module: str) -> None:
    paths = sorted(agents.glob(f"_{module}.*.so"))
    assert paths
    for path in paths:
        listed = subprocess.run(["nm", "-D", "--defined-only", path], check=True, capture_output=True, text=True).stdout
        assert [line.split()[-1] for line in listed.splitlines()] == [f"PyInit__{module}"], path


@pytest.mark.parametrize("module", sources.MODULES)
def test_a_module_compiles_for_free_threaded_builds(build: Path, module: str) -> None:
    # They have the same headers, and this one word in their pyconfig.h; since 3.13.
    found, _ = tool.targets([])
    newer = [target for target in found if target.interpreter.minor >= 13]
    if not newer:
        pytest.skip("no CPython 3.13+ with headers")
    for target in newer:
        command = tool.command_of(target, tool.flags_of_build(build, module))
        command += ["-DPy_GIL_DISABLED=1", "-Werror", "-fsyntax-only", *sources.module(module)]
        done = subprocess.run(command, cwd=tool.ROOT, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{target.interpreter.version}\n{done.stderr}"


@pytest.mark.parametrize("module", sources.MODULES)
def test_the_types_of_a_module_are_its_own(root: Path, agents: Path, tmp_path: Path, module: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(root / "python"), "OUTPACE_TRACE_AGENT": str(agents)}
    environment["MYPYPATH"] = environment["PYTHONPATH"]
    command = [sys.executable, "-m", "mypy.stubtest", "--concise", f"outpace._{module}"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_agents_are_built_once(root: Path, build: Path, agents: Path) -> None:
    command = [sys.executable, str(root / "tools/agents.py"), "--build", str(build)]
    first = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert first.returncode == 0, first.stdout + first.stderr
    before = {path: path.stat().st_mtime_ns for path in agents.iterdir()}
    again = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert all(line.endswith("is up to date") for line in again.stdout.splitlines() if "skipped" not in line), again.stdout
    assert {path: path.stat().st_mtime_ns for path in agents.iterdir()} == before
    told = {(line.split()[0], line.split()[1].rsplit(".", 1)[0]) for line in again.stdout.splitlines()}
    skipped = {version for word, version in told if word == "python"}
    for minor in {each.minor for each in FOUND}:
        assert f"3.{minor}" in skipped or {(name, f"3.{minor}") for name in sources.MODULES} <= told, again.stdout
