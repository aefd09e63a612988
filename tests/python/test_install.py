# SPDX-License-Identifier: MIT
"""`pip install .` into fresh environments: from a copy of the checkout, ordinary and editable."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

SKIPPED = shutil.ignore_patterns(".git", ".venv", "build", "build-*", "dist", ".*_cache", "__pycache__")


def clean() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith(("OUTPACE_", "PYTHON"))}


def output_of(*command: str | Path, **variables: str) -> str:
    done = subprocess.run(command, env=clean() | variables, capture_output=True, text=True, timeout=600, cwd="/")
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def checkout(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "OUTPACE_SANITIZER" in os.environ:
        pytest.skip("a sanitizer run tests the code, not the packaging")
    copy = tmp_path_factory.mktemp("checkout") / "outpace"
    shutil.copytree(root, copy, ignore=SKIPPED)
    return copy


@pytest.fixture
def python(tmp_path: Path) -> Path:
    folder = tmp_path / "environment"
    venv.create(folder, with_pip=True)
    # The build tools of the environment that runs this test, so that no network is needed.
    import mesonpy

    tools = next((folder / "lib").glob("python*")) / "site-packages" / "tools.pth"
    tools.write_text(str(Path(mesonpy.__file__).parent.parent) + "\n")
    return folder / "bin/python"


def test_install(checkout: Path, python: Path, tmp_path: Path) -> None:
    tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    output_of(python, "-m", "pip", "install", "-q", "--no-build-isolation", "--no-deps", checkout, PATH=tools)
    executable = python.parent / "outpace"
    assert output_of(executable, "--version") == output_of(python, "-m", "outpace", "--version")
    script = tmp_path / "hello.py"
    script.write_text("print('hello')\n")
    where = "import outpace; print(outpace.find_executable(), outpace.__file__)"
    found, package = output_of(python, "-c", where).split()
    assert found == str(executable)
    assert str(checkout) not in package
    agent = output_of(python, "-c", "import outpace._agent, outpace._agents; print(outpace._agents.find_agent())").strip()
    cache = output_of(python, "-c", "import outpace._cache; print(outpace._cache.__file__)").strip()
    cached = "import outpace; f = outpace.lru_cache(len); print(f('ab'), f('ab'), f.cache_info().hits, outpace.Cache(3))"
    assert output_of(python, "-c", cached) == "2 2 1 Cache({}, maxsize=3, currsize=0)\n"
    assert Path(agent).parent == Path(cache).parent == Path(package).parent
    assert output_of(python, "-m", "outpace", "run", script).startswith("hello")


def test_editable_install(checkout: Path, python: Path) -> None:
    tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    output_of(python, "-m", "pip", "install", "-q", "--no-build-isolation", "--no-deps", "-e", checkout, PATH=tools)
    where = "import outpace; print(outpace.find_executable())"
    found = Path(output_of(python, "-c", where, PATH=tools).strip())
    assert found.is_relative_to(checkout / "build")
    assert output_of(python, "-m", "outpace", "--version", PATH=tools).startswith("outpace ")
    where = "import outpace._agent, outpace._agents; print(outpace._agents.find_agent(), outpace._agent.__file__)"
    found_agent, agent = output_of(python, "-c", where, PATH=tools).split()
    assert agent == found_agent
    assert Path(agent).is_relative_to(checkout / "build")
    cache = output_of(python, "-c", "import outpace._cache; print(outpace._cache.__file__)", PATH=tools).strip()
    assert Path(cache).parent == Path(agent).parent
