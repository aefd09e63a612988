# SPDX-License-Identifier: MIT
"""Programs that must behave under the tool as without it: NAME.py AGENTS FOLDER prints {case: what differs, or null}.

Each is run in a child of its own, bare and then with each kind of tracing: exit code or signal, stdout and stderr are
compared.
"""

import importlib.util
import json
import os
import sys

import traced

SNIPPETS = {
    "exit_code": "import sys\ndef f(): sys.exit(3)\nf()",
    "exit_text": "import sys\ndef f(): sys.exit('a text')\nf()",
    "exit_in_thread": "import sys, threading\nt = threading.Thread(target=sys.exit, args=(3,))\nt.start(); t.join()\nprint('on')",
    "os_exit": "import os\ndef f(): os._exit(7)\nf()",
    "atexit": "import atexit, sys\natexit.register(lambda: print('last'))\nprint('first')\nsys.exit(5)",
    "abort": "import os\nos.abort()",
    "sigterm": "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(9)",
    "sigint": "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)",
    "handler": """
import os, signal
def handler(number, frame): print(number, frame.f_code.co_name)
signal.signal(signal.SIGUSR1, handler)
def f():
    os.kill(os.getpid(), signal.SIGUSR1)
    for _ in range(1000): pass
f()
""",
    "alarm_raises": """
import signal
class Late(Exception): pass
def handler(number, frame): raise Late
signal.signal(signal.SIGALRM, handler)
def spin():
    while True: len(())
for _ in range(5):
    signal.setitimer(signal.ITIMER_REAL, 0.002)
    try: spin()
    except Late: print('late')
""",
    "traceback": """
def one(n): return two(n)
def two(n):
    try: three(n)
    except KeyError as error: raise ValueError('text') from error
def three(n): return {}[n]
one(1)
""",
    "exception_in_thread": """
import threading
def f(): raise KeyError('in a thread')
threading.excepthook = lambda args: print(args.exc_type, args.exc_value, args.exc_traceback.tb_lineno)
t = threading.Thread(target=f); t.start(); t.join()
""",
    "generator_methods": """
def g():
    while True:
        try: print('got', (yield 1))
        except ValueError as error: print('caught', error.args); yield 2
        finally: print('finally')
a = g(); print(next(a), a.send(5))
print(a.throw(ValueError('x')), next(a))
a.close()
b = g(); b.close()
c = g()
try: c.throw(KeyError('at the begin'))
except KeyError as error: print(error)
d = g(); next(d); del d
def h():
    try: yield
    except GeneratorExit: print('exit'); raise
    return 3
e = h(); next(e); print(e.close())
f = h(); next(f)
try: next(f)
except StopIteration as stop: print(stop.value)
def y():
    x = yield from h()
    print(x)
i = y(); next(i)
try: i.throw(RuntimeError('through'))
except RuntimeError as error: print(error, error.__traceback__.tb_next.tb_next.tb_lineno)
""",
    "recursion_limit": """
import sys
def depth():
    n = 0
    def f():
        nonlocal n
        n += 1
        f()
    try: f()
    except RecursionError as error: print(error.args[0][:33])
    return n
d = depth()
print(sys.getrecursionlimit(), d == depth(), d // 50)
sys.setrecursionlimit(3000)
def sum_to(n): return n and n + sum_to(n - 1)
print(sum_to(2500))
""",
    "settrace": """
import sys
told = []
def hook(frame, event, arg):
    if frame.f_code.co_name in 'fg': told.append((frame.f_code.co_name, event, frame.f_lineno))
    return hook
def f(n):
    for i in range(n): g(i)
def g(i): return i
sys.settrace(hook); f(3); sys.settrace(None); f(1)
print(told, sys.gettrace())
""",
    "setprofile": """
import sys
told = []
def hook(frame, event, arg):
    if frame.f_code.co_name in 'fg': told.append((frame.f_code.co_name, event, getattr(arg, '__name__', None)))
def f(n):
    for i in range(n): g(i); len(())
def g(i): return i
sys.setprofile(hook); f(3); sys.setprofile(None); f(1)
print(told, sys.getprofile())
""",
    "monitoring": """
import sys
if sys.version_info >= (3, 12):
    m = sys.monitoring; e = m.events
    m.use_tool_id(1, 'mine'); m.use_tool_id(0, 'a debugger')
    told = []
    def start(code, offset):
        told.append(code.co_name)
        return m.DISABLE if code.co_name == 'f' else None
    def line(code, number): told.append(number); return m.DISABLE
    m.register_callback(1, e.PY_START, start); m.register_callback(1, e.LINE, line)
    m.set_events(1, e.PY_START)
    def f(): return g()
    def g():
        x = 1
        return x
    m.set_local_events(1, g.__code__, e.LINE)
    f(); f(); g()
    m.restart_events(); f()
    m.set_events(1, 0); m.free_tool_id(1)
    print(told, m.get_tool(0), m.get_tool(1))
""",
    "cprofile": """
import cProfile, pstats, sys
p = cProfile.Profile()
def f(): return len(())
try:
    p.enable(); f(); f(); p.disable()
    print([(e.code if isinstance(e.code, str) else e.code.co_name, e.callcount) for e in p.getstats() if 'f' == getattr(e.code, 'co_name', 0)])
except ValueError as error: print('taken')
""",
    "pickle_main": """
import pickle
class Mine:
    def __init__(self, n): self.n = n
    def __reduce__(self): return Mine, (self.n,)
def f(): return 1
print(pickle.loads(pickle.dumps(Mine(3))).n, pickle.loads(pickle.dumps(f))(), Mine.__module__)
""",
    "destructors": """
import weakref, gc
class Mine:
    def __del__(self): print('del', self.n)
def f(n):
    m = Mine(); m.n = n
    weakref.finalize(m, print, 'finalized', n)
for n in range(3): f(n)
a = Mine(); a.n = 'cycle'; a.a = a; del a
gc.collect()
b = Mine(); b.n = 'at exit'
""",
    "introspection": """
import inspect, sys
def f(): return [each.function for each in inspect.stack()][:2], sys._getframe().f_lineno, sys._getframe(1).f_code.co_name
print(f(), sys.getrefcount(f) < 6, len(sys._current_frames()))
class Slots:
    __slots__ = 'a'
    def __getattr__(self, name): raise AttributeError(name)
print(hasattr(Slots(), 'b'), getattr(Slots(), 'a', 5))
""",
    "faulthandler": "import faulthandler, sys\ndef f(): faulthandler.dump_traceback(sys.stderr)\nfaulthandler.enable()\nf()",
    "faulthandler_crash": "import faulthandler, ctypes, sys\nfaulthandler.enable(all_threads=False, **({'c_stack': False} if sys.version_info >= (3, 14) else {}))\ndef f(): ctypes.string_at(0)\nf()",
    "doctest": "import doctest\ndef f():\n    '''\n    >>> f()\n    2\n    '''\n    return 2\nprint(doctest.testmod())",
    "fork_and_wait": """
import os
def child(): os._exit(9)
def f():
    pid = os.fork()
    if pid == 0: child()
    return os.waitpid(pid, 0)[1]
print(f())
""",
    "threads": """
import threading, queue
q, out = queue.Queue(), []
def work():
    while (n := q.get()) is not None: out.append(n * n)
ts = [threading.Thread(target=work) for _ in range(4)]
for t in ts: t.start()
for n in range(100): q.put(n)
for t in ts: q.put(None)
for t in ts: t.join()
print(sum(out), threading.active_count())
""",
    "thread_class": """
import threading
class Mine(threading.Thread):
    def __getattribute__(self, name):
        if name == '_name': print('asked')
        return super().__getattribute__(name)
    def run(self): print('runs')
t = Mine(); t.start(); t.join()
""",
    "stderr_and_warnings": "import warnings, sys\ndef f(): warnings.warn('old', DeprecationWarning, stacklevel=2)\nwarnings.simplefilter('always')\nf()\nprint('x', file=sys.stderr)",
    "asyncio": """
import asyncio
async def step(n):
    try: await asyncio.sleep(0)
    except asyncio.CancelledError: print('cancelled', n); raise
    return n
async def ticks():
    try:
        for i in range(3): yield i
    finally: print('closed')
async def main():
    print(await asyncio.gather(*map(step, range(4))))
    async for i in ticks():
        if i: break
    t = asyncio.ensure_future(step(9)); await asyncio.sleep(0); t.cancel()
    try: await t
    except asyncio.CancelledError: print('yes')
    try: await asyncio.wait_for(asyncio.sleep(5), 0.001)
    except asyncio.TimeoutError: print('late')
asyncio.run(main())
""",
    "coverage": """
import os, sys
try: import coverage
except ImportError: print('none'); sys.exit()
os.environ['COVERAGE_CORE'] = 'sysmon' if sys.version_info >= (3, 12) else 'ctrace'
import covered_by_test, importlib
c = coverage.Coverage(data_file=None, include=['*covered_by_test.py'])
c.start()
importlib.reload(covered_by_test)
print(covered_by_test.f(3))
c.stop()
data = c.get_data()
print([sorted(data.lines(name)) for name in data.measured_files()])
""",
}
# They take long to import, so it is done once, before the children are forked.
IMPORTED = {"asyncio", "coverage"}
COVERED = """def f(n):
    total = 0
    for i in range(n):
        if i > 5:
            total -= 1
        else:
            total += g(i)
    return total


def g(i):
    return i


def never():
    return 1
"""
# What one kind of tracing may change, and why.
EXPECTED = set()
if traced.MINOR < 12:
    # There sys.gettrace() tells of the trace function by which lines are counted.
    EXPECTED |= {("settrace", "lines")}


def run(text, start, output):
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        os.dup2(1, 2)
        return text, start
    status = os.waitpid(pid, 0)[1]
    with open(output, "rb") as file:
        return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status), file.read()


def start_calls(folder):
    traced.agent.start(folder, "calls,builtins")


def start_counts(folder):
    traced.agent.start(folder, "counts,builtins")


def start_lines(folder):
    traced.agent.start(folder, "lines").select([("<snippet>", ""), ("/", "")])


def main():
    traced.load_agent(sys.argv[1])
    folder, wanted = sys.argv[2], sys.argv[3:]
    with open(os.path.join(folder, "covered_by_test.py"), "w") as file:
        file.write(COVERED)
    sys.path.insert(0, folder)
    told = {}
    for name, text in SNIPPETS.items():
        if wanted and name not in wanted:
            continue
        if name in IMPORTED and importlib.util.find_spec(name):
            importlib.import_module(name)
        found = {}
        for kind, start in (("bare", None), ("calls", start_calls), ("counts", start_counts), ("lines", start_lines)):
            done = run(text, start, os.path.join(folder, "output"))
            if done == (text, start):  # the child
                if start is not None:
                    start(folder)
                return text
            found[kind] = done
        wrong = [
            "%s: %r" % (kind, done) for kind, done in found.items() if done != found["bare"] and (name, kind) not in EXPECTED
        ]
        told[name] = "bare: %r\n%s" % (found["bare"], "\n".join(wrong)) if wrong else None
    print(json.dumps(told))
    return None


if __name__ == "__main__":
    snippet = main()
    if snippet is not None:
        exec(compile(snippet, "<snippet>", "exec"), globals())
