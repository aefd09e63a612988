# SPDX-License-Identifier: MIT
"""A traced process for each way to end, and for each way to begin another: NAME.py AGENTS FOLDER WHAT...

This process is not traced itself: for each WHAT it forks a child, which begins to trace into FOLDER/WHAT. `kills MODES N`
lets N children count the calls that returned in memory that they share with us, and kills each at some moment.
"""

import ctypes
import gc
import json
import mmap
import os
import random
import signal
import subprocess
import sys
import threading
import time

import traced

COUNTERS = 4


def leaf():
    pass


def raises():
    raise KeyError


def numbers():
    n = 0
    while True:
        yield n
        n += 1


class Made:
    def __new__(cls):
        return object.__new__(cls)


def work():
    Made()
    for _ in range(100):
        leaf()
    for _ in range(10):
        try:
            raises()
        except KeyError:
            pass
    g = numbers()
    for _ in range(20):
        next(g)
    g.close()
    for _ in range(30):
        len(())
    deep(500)


def deep(n):
    if n:
        deep(n - 1)


def normal():
    work()


def sys_exit():
    work()
    sys.exit(3)


def os_exit():
    work()
    os._exit(4)


def uncaught():
    work()
    raises()


def abort():
    work()
    os.abort()


def killed():
    work()
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def terminated():
    work()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)


def crashed():
    work()
    ctypes.string_at(0)


def executed():
    work()
    os.execv("/bin/true", ["true"])


def threads_at_exit():
    started = threading.Event()

    def waits():
        work()
        started.set()
        time.sleep(60)

    for _ in range(3):
        threading.Thread(target=waits, daemon=True).start()
        started.wait()
        started.clear()
    os._exit(5)


# --- fork -------------------------------------------------------------------------------------------------------------


def forks():
    pid = os.fork()
    if pid == 0:
        for _ in range(5):
            leaf()
    return pid


def forked():
    for _ in range(3):
        leaf()
    pid = forks()
    if pid == 0:
        for _ in range(20):
            leaf()
        os._exit(0)
    os.waitpid(pid, 0)
    for _ in range(4):
        leaf()


def fork_in_thread():
    def run():
        forked()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def forked_and_left():
    if forks() == 0:
        return  # the child leaves what the parent entered
    os.wait()
    leaf()


def fork_of_fork():
    if forks() == 0:
        if forks() == 0:
            os._exit(0)
        os.wait()
        os._exit(0)
    os.wait()


def subprocesses():
    leaf()
    subprocess.run(["/bin/true"], check=True)
    subprocess.run(["/bin/true"], check=True, preexec_fn=leaf)
    leaf()


def fork_beside_threads():
    # Threads make calls all the time, and locks are held at any moment; the children have none of them.
    stop = []

    def busy_thread():
        while not stop:
            leaf_of_threads()

    threads = [threading.Thread(target=busy_thread) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        pid = os.fork()
        if pid == 0:
            for _ in range(50):
                leaf()
            os._exit(0)
        os.waitpid(pid, 0)
        leaf()
    stop.append(1)
    for thread in threads:
        thread.join()


def leaf_of_threads():
    pass


def of_the_child():
    n = 1
    return n


def of_the_parent():
    n = 2
    n += 1
    return n


def fork_of_lines(profiler):
    """What a child meets first is no function of the parent's: chosen by name, and marked."""
    pid = os.fork()
    if pid == 0:
        profiler.add_code(of_the_child.__code__)
        of_the_child()
        os._exit(0)
    os.waitpid(pid, 0)
    profiler.select([(__file__, "of_the_child"), (__file__, "of_the_parent")])
    pid = os.fork()
    if pid == 0:
        of_the_child()
        os._exit(0)
    os.waitpid(pid, 0)
    of_the_parent()


def naps():
    time.sleep(0.05)


def suspends():
    g = numbers()
    next(g)
    naps()
    next(g)
    g.close()


def long_names():
    exec("def %s(): pass\n%s()" % (2 * ("a" + 2500 * "é",)))
    thread = threading.Thread(target=leaf, name="a" + 60 * "é")
    thread.start()
    thread.join()


SCENARIOS = {
    each.__name__: each
    for each in (
        normal,
        sys_exit,
        os_exit,
        uncaught,
        abort,
        killed,
        terminated,
        crashed,
        executed,
        threads_at_exit,
        forked,
        fork_in_thread,
        forked_and_left,
        fork_of_fork,
        subprocesses,
        fork_beside_threads,
        suspends,
        long_names,
    )
}
OF_LINES = {"fork_of_lines": fork_of_lines}


# --- SIGKILL at some moment --------------------------------------------------------------------------------------------


def busy(counters, at):
    g = numbers()
    while True:
        leaf()
        counters[at] += 1
        try:
            raises()
        except KeyError:
            counters[at + 1] += 1
        next(g)
        counters[at + 2] += 1
        len(())
        counters[at + 3] += 1


def busy_lines(counters, at):
    while True:
        counters[at] += 1
        counters[at + 1] += 1


def kills(folder, modes, count):
    shared = mmap.mmap(-1, count * COUNTERS * 8)
    counters = memoryview(shared).cast("Q")
    numbers_of_kills = random.Random(4)
    for number in range(count):
        os.mkdir("%s/%d" % (folder, number))
        pid = os.fork()
        if pid == 0:
            profiler = traced.agent.start("%s/%d" % (folder, number), modes)
            if modes == "lines":
                profiler.add_code(busy_lines.__code__)
                busy_lines(counters, number * COUNTERS)
            busy(counters, number * COUNTERS)
        time.sleep(numbers_of_kills.uniform(0, 0.006))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return [list(counters[i * COUNTERS : (i + 1) * COUNTERS]) for i in range(count)]


def main():
    traced.load_agent(sys.argv[1])
    folder, wanted = sys.argv[2], sys.argv[3:]
    if wanted[0] == "kills":
        print(json.dumps(kills(folder, wanted[1], int(wanted[2]))))
        return
    gc.disable()
    told = {}
    for name in wanted:
        os.mkdir(os.path.join(folder, name))
        pid = os.fork()
        if pid == 0:
            sys.stderr = open(os.devnull, "w")
            if name in OF_LINES:
                OF_LINES[name](traced.agent.start(os.path.join(folder, name), "lines"))
                return
            traced.agent.start(os.path.join(folder, name), "calls,builtins")
            SCENARIOS[name]()
            return  # ends as any program does
        status = os.waitpid(pid, 0)[1]
        told[name] = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
