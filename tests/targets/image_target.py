# SPDX-License-Identifier: MIT
# A small program whose stacks are known: nested calls in the main thread, a generator that is being resumed from C,
# and a second thread whose name is not ASCII. All is still once it has printed its threads. SIGUSR1 has the
# interpreter itself write the stacks to stderr.
import faulthandler
import signal
import sys
import threading

started = threading.Event()
forever = threading.Event()


def wait_forever():
    started.set()
    forever.wait()


def worker_inner():
    wait_forever()


def worker_main():
    worker_inner()


def numbers(count):
    for i in range(count):
        if i == 2:
            c()
        yield i


def c():
    for thread in threading.enumerate():
        print(thread.ident, thread.name.encode("unicode_escape").decode("ascii"))
    print("ready", flush=True)
    forever.wait()


def b(count):
    # fmt: off
    return sum(
        numbers(count)
    )
    # fmt: on


class Größe:
    def a(self):
        count = 3
        return b(count + 3)


faulthandler.register(signal.SIGUSR1, file=sys.stderr, all_threads=True)
threading.Thread(target=worker_main, name="worker-ü", daemon=True).start()
started.wait()
Größe().a()
