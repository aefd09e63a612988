#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Records the memory images that tests/unit/test_image.c replays, one a Python version.

    tools/images.py MAKE_IMAGE COMMAND...

MAKE_IMAGE is the helper of that name in the build folder. Each COMMAND starts one Python ("python3.13", or
"chroot DIR python3.14"). Beside N.image goes N.expect: the threads and stacks as the interpreter itself writes them.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "tests/targets/image_target.py"
# The program's file gets a name that is not ASCII and says nothing of this machine.
START = "import sys; exec(compile(sys.stdin.buffer.read(), '/app/gr\\xf6\\xdfe/image_target.py', 'exec'))"
THREAD = re.compile(r"^(?:Current thread|Thread) 0x([0-9a-f]+)")
FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$')


def unescape(text: str) -> str:
    return text.encode("ascii").decode("unicode_escape")


def stacks(stderr: str, names: dict[int, str]) -> list[str]:
    lines = []
    for line in stderr.splitlines():
        if found := THREAD.match(line):
            name = names[int(found[1], 16)]
            lines.append(f"thread {name}")
        elif found := FRAME.match(line):
            lines.append(f"frame {unescape(found[3])} {found[2]} {unescape(found[1])}")
    return lines


def record(make_image: str, command: list[str]) -> None:
    version = subprocess.run(
        [*command, "-c", "import platform; print(platform.python_version())"], check=True, capture_output=True, text=True
    ).stdout.strip()
    minor = version.rsplit(".", 1)[0]
    process = subprocess.Popen(
        [*command, "-I", "-c", START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
    )
    assert process.stdin and process.stdout and process.stderr
    try:
        process.stdin.write(TARGET.read_bytes())
        process.stdin.close()
        names = {}
        while (line := process.stdout.readline().decode("ascii").strip()) != "ready":
            if not line:
                raise SystemExit(process.stderr.read().decode())
            ident, name = line.split(" ", 1)
            names[int(ident)] = unescape(name)
        # It takes a moment until the main thread waits.
        while Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] != "S":
            os.sched_yield()
        path = ROOT / f"tests/images/{minor}.image"
        subprocess.run([make_image, str(process.pid), str(path)], check=True)
        os.kill(process.pid, signal.SIGUSR1)
        expected = ""
        while expected.count(" in <module>") < 2:  # the last lines of the main thread's stack, which comes last
            expected += process.stderr.readline().decode("ascii")
    finally:
        process.kill()
        process.wait()
    text = "\n".join([f"python {version}", *stacks(expected, names)]) + "\n"
    path.with_suffix(".expect").write_text(text, encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size // 1024} KiB, {version}")


def main() -> None:
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    for command in sys.argv[2:]:
        record(sys.argv[1], shlex.split(command))


if __name__ == "__main__":
    main()
