# SPDX-License-Identifier: MIT
"""Makes the tables of src/cpython/layouts and src/cpython/opcodes.

The offsets come from each interpreter's own internal headers: for every field of OP_LAYOUT_MAP a C expression
is compiled against them, and the numbers are read out of the object file (nothing is linked). Then the
interpreter itself is run and its memory, and from 3.13 on its _Py_DebugOffsets, must agree. What can run Python
code comes from the same interpreter's opcode tables and the rules in tools/opcode_rules.py.

    tools/layouts.py /usr/bin/python3.11 ~/.pyenv/versions/3.12.1/bin/python3 /srv/debian:/usr/bin/python3.15

Each argument is one interpreter whose headers are installed; ROOT:COMMAND means one that lives below another
root directory (it is started through chroot). Several patch releases of one minor version may be given: they
must agree, and the table's range spans them. --check writes nothing and fails if a table in the tree is not
what the interpreters say.
"""
import argparse
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import opcode_rules

REPO = pathlib.Path(__file__).resolve().parent.parent
SOURCE = REPO / "src" / "cpython"
NONE = -(2 ** 31)
FIRST, LAST = 8, 99
FIRST_OPCODES = 11  # the adaptive interpreter and inline caches

BANNER = "// SPDX-License-Identifier: MIT\n// Made by tools/layouts.py from {source}: do not edit.\n"


def at(struct, field):
    return f"offsetof({struct}, {field})"


RUNTIME, INTERP, THREAD = "_PyRuntimeState", "PyInterpreterState", "PyThreadState"
FRAME, CODE, GEN = "_PyInterpreterFrame", "PyCodeObject", "PyGenObject"
KEYS, TYPE = "struct _dictkeysobject", "PyTypeObject"

# field -> [(first minor, last minor, C expression or plain number)]: the first range that holds the minor gives the
# value, and none means that the version has no such field. Plain numbers are for structs that no installed header
# declares.
#   3.8-3.10 struct _dictkeysobject, Objects/dict-common.h: Py_ssize_t dk_refcnt, dk_size; dict_lookup_func
#   dk_lookup; Py_ssize_t dk_usable, dk_nentries; char dk_indices[]. 3.8, 3.9 PyModuleObject, Objects/moduleobject.c:
#   md_dict follows PyObject_HEAD. Both are compared with the running interpreter in LIVE below.
FIELDS = {
    "runtime_interpreters_head": [(8, LAST, at(RUNTIME, "interpreters.head"))],
    "runtime_finalizing": [(8, 8, at(RUNTIME, "finalizing")), (9, LAST, at(RUNTIME, "_finalizing"))],
    "runtime_size": [(8, LAST, f"sizeof({RUNTIME})")],
    "runtime_gil_locked": [(8, 11, at(RUNTIME, "ceval.gil.locked"))],
    "runtime_gil_last_holder": [(8, 11, at(RUNTIME, "ceval.gil.last_holder"))],
    "runtime_tstate_current": [(8, 11, at(RUNTIME, "gilstate.tstate_current"))],
    "runtime_gc_collecting": [(8, 8, at(RUNTIME, "gc.collecting"))],
    "interp_id": [(8, LAST, at(INTERP, "id"))],
    "interp_next": [(8, LAST, at(INTERP, "next"))],
    "interp_threads_head": [(8, 10, at(INTERP, "tstate_head")), (11, LAST, at(INTERP, "threads.head"))],
    "interp_threads_main": [(13, LAST, at(INTERP, "threads.main"))],
    "interp_modules": [(8, 11, at(INTERP, "modules")), (12, LAST, at(INTERP, "imports.modules"))],
    "interp_gc_collecting": [(9, LAST, at(INTERP, "gc.collecting"))],
    "interp_gc_frame": [(15, LAST, at(INTERP, "gc.frame"))],
    "interp_gil": [(12, LAST, at(INTERP, "ceval.gil"))],
    "interp_code_object_generation": [(14, LAST, at(INTERP, "_code_object_generation"))],
    "interp_size": [(8, LAST, f"sizeof({INTERP})")],
    "gil_locked": [(12, LAST, at("struct _gil_runtime_state", "locked"))],
    "gil_last_holder": [(12, LAST, at("struct _gil_runtime_state", "last_holder"))],
    "thread_prev": [(8, LAST, at(THREAD, "prev"))],
    "thread_next": [(8, LAST, at(THREAD, "next"))],
    "thread_interp": [(8, LAST, at(THREAD, "interp"))],
    "thread_frame": [(8, 10, at(THREAD, "frame"))],
    "thread_cframe": [(11, 12, at(THREAD, "cframe"))],
    "thread_current_frame": [(13, LAST, at(THREAD, "current_frame"))],
    "thread_base_frame": [(15, LAST, at(THREAD, "base_frame"))],
    "thread_thread_id": [(8, LAST, at(THREAD, "thread_id"))],
    "thread_native_thread_id": [(11, LAST, at(THREAD, "native_thread_id"))],
    "thread_datastack_chunk": [(11, LAST, at(THREAD, "datastack_chunk"))],
    "thread_datastack_top": [(11, LAST, at(THREAD, "datastack_top"))],
    "thread_status": [(12, LAST, at(THREAD, "_status"))],
    # A bit of _status in 3.13; 3.14 moved it about in its patch releases and does not list it in its debug offsets.
    "thread_holds_gil": [(15, LAST, at(THREAD, "holds_gil"))],
    "thread_gil_requested": [(15, LAST, at(THREAD, "gil_requested"))],
    "thread_size": [(8, LAST, f"sizeof({THREAD})")],
    "cframe_current_frame": [(11, 12, at("_PyCFrame", "current_frame"))],
    "chunk_previous": [(11, LAST, at("_PyStackChunk", "previous"))],
    "chunk_size": [(11, LAST, at("_PyStackChunk", "size"))],
    "chunk_top": [(11, LAST, at("_PyStackChunk", "top"))],
    "chunk_data": [(11, LAST, at("_PyStackChunk", "data"))],
    "iframe_executable": [(11, 12, at(FRAME, "f_code")), (13, LAST, at(FRAME, "f_executable"))],
    "iframe_previous": [(11, LAST, at(FRAME, "previous"))],
    "iframe_instruction": [(11, 12, at(FRAME, "prev_instr")), (13, LAST, at(FRAME, "instr_ptr"))],
    "iframe_function": [(11, 11, at(FRAME, "f_func")), (12, LAST, at(FRAME, "f_funcobj"))],
    "iframe_stack": [(11, 13, at(FRAME, "stacktop")), (14, LAST, at(FRAME, "stackpointer"))],
    "iframe_owner": [(11, LAST, at(FRAME, "owner"))],
    "iframe_is_entry": [(11, 11, at(FRAME, "is_entry"))],
    "iframe_localsplus": [(11, LAST, at(FRAME, "localsplus"))],
    "iframe_size": [(11, LAST, f"sizeof({FRAME})")],
    "pyframe_back": [(8, 10, at("PyFrameObject", "f_back"))],
    "pyframe_code": [(8, 10, at("PyFrameObject", "f_code"))],
    "pyframe_lasti": [(8, 10, at("PyFrameObject", "f_lasti"))],
    "pyframe_lineno": [(8, 10, at("PyFrameObject", "f_lineno"))],
    "pyframe_state": [(10, 10, at("PyFrameObject", "f_state"))],
    "pyframe_executing": [(8, 9, at("PyFrameObject", "f_executing"))],
    "pyframe_gen": [(8, 10, at("PyFrameObject", "f_gen"))],
    "pyframe_size": [(8, 10, "sizeof(PyFrameObject)")],
    "code_filename": [(8, LAST, at(CODE, "co_filename"))],
    "code_name": [(8, LAST, at(CODE, "co_name"))],
    "code_qualname": [(11, LAST, at(CODE, "co_qualname"))],
    "code_linetable": [(8, 9, at(CODE, "co_lnotab")), (10, LAST, at(CODE, "co_linetable"))],
    "code_firstlineno": [(8, LAST, at(CODE, "co_firstlineno"))],
    "code_framesize": [(12, LAST, at(CODE, "co_framesize"))],
    "code_version": [(12, LAST, at(CODE, "co_version"))],
    "code_bytecode": [(8, 10, at(CODE, "co_code")), (11, LAST, at(CODE, "co_code_adaptive"))],
    "code_nlocalsplus": [(11, LAST, at(CODE, "co_nlocalsplus"))],
    "code_stacksize": [(8, LAST, at(CODE, "co_stacksize"))],
    "code_flags": [(8, LAST, at(CODE, "co_flags"))],
    "code_argcount": [(8, LAST, at(CODE, "co_argcount"))],
    "code_consts": [(8, LAST, at(CODE, "co_consts"))],
    "code_names": [(8, LAST, at(CODE, "co_names"))],
    "code_size": [(8, LAST, f"sizeof({CODE})")],
    "function_code": [(8, LAST, at("PyFunctionObject", "func_code"))],
    "function_version": [(11, LAST, at("PyFunctionObject", "func_version"))],
    "gen_iframe": [(11, LAST, at(GEN, "gi_iframe"))],
    "gen_frame": [(8, 10, at(GEN, "gi_frame"))],
    "gen_frame_state": [(11, LAST, at(GEN, "gi_frame_state"))],
    "object_refcnt": [(8, LAST, at("PyObject", "ob_refcnt"))],
    "object_type": [(8, LAST, at("PyObject", "ob_type"))],
    "object_size": [(8, LAST, "sizeof(PyObject)")],
    "var_size": [(8, LAST, at("PyVarObject", "ob_size"))],
    "type_name": [(8, LAST, at(TYPE, "tp_name"))],
    "type_flags": [(8, LAST, at(TYPE, "tp_flags"))],
    "type_basicsize": [(8, LAST, at(TYPE, "tp_basicsize"))],
    "type_dictoffset": [(8, LAST, at(TYPE, "tp_dictoffset"))],
    "unicode_length": [(8, LAST, at("PyASCIIObject", "length"))],
    "unicode_state": [(8, LAST, at("PyASCIIObject", "state"))],
    "unicode_ascii_size": [(8, LAST, "sizeof(PyASCIIObject)")],
    "unicode_compact_size": [(8, LAST, "sizeof(PyCompactUnicodeObject)")],
    "bytes_data": [(8, LAST, at("PyBytesObject", "ob_sval"))],
    "long_digits": [(8, 11, at("PyLongObject", "ob_digit")), (12, LAST, at("PyLongObject", "long_value.ob_digit"))],
    "dict_keys": [(8, LAST, at("PyDictObject", "ma_keys"))],
    "dict_values": [(8, LAST, at("PyDictObject", "ma_values"))],
    "dict_used": [(8, LAST, at("PyDictObject", "ma_used"))],
    "keys_log2_size": [(11, LAST, at(KEYS, "dk_log2_size"))],
    "keys_log2_index_bytes": [(11, LAST, at(KEYS, "dk_log2_index_bytes"))],
    "keys_kind": [(11, LAST, at(KEYS, "dk_kind"))],
    "keys_size": [(8, 10, 8)],
    "keys_nentries": [(8, 10, 32), (11, LAST, at(KEYS, "dk_nentries"))],
    "keys_indices": [(8, 10, 40), (11, LAST, at(KEYS, "dk_indices"))],
    "module_dict": [(8, 9, 16), (10, LAST, at("PyModuleObject", "md_dict"))],
    "heap_type_cached_keys": [(11, LAST, at("PyHeapTypeObject", "ht_cached_keys"))],
    # 3.12 has no macro for it: pycore_object.h, _PyObject_DictOrValuesPointer.
    "managed_dict": [(12, 12, "-3 * (long long)sizeof(PyDictOrValues)"), (11, LAST, "MANAGED_DICT_OFFSET")],
    "managed_values": [(11, 11, "-4 * (long long)sizeof(PyDictValues *)")],  # same, _PyObject_ValuesPointer
    # pycore_object.h, _PyObject_InlineValues: behind the header in 3.13, behind tp_basicsize from 3.14 on.
    "inline_values": [(13, 13, "sizeof(PyObject)"), (14, LAST, 0)],
    "values_first": [(11, LAST, at("struct _dictvalues", "values"))],
}

# Internal headers, where the version has them: the first minor that does and the last.
HEADERS = [
    ("pycore_pystate.h", 8, LAST), ("pycore_interp.h", 9, LAST), ("pycore_runtime.h", 9, LAST),
    ("pycore_gil.h", 8, LAST), ("pycore_object.h", 8, LAST), ("pycore_code.h", 8, LAST),
    ("pycore_moduleobject.h", 10, LAST), ("pycore_frame.h", 11, LAST), ("pycore_dict.h", 11, LAST),
    ("pycore_long.h", 12, LAST), ("pycore_interpframe.h", 14, LAST), ("pycore_genobject.h", 11, LAST),
    ("pycore_debug_offsets.h", 14, LAST),
]

# field -> where _Py_DebugOffsets tells it, from 3.13 on (fields that a version's table lacks are left out of the
# check).
DEBUG = {
    "runtime_size": "runtime_state.size", "runtime_finalizing": "runtime_state.finalizing",
    "runtime_interpreters_head": "runtime_state.interpreters_head", "interp_size": "interpreter_state.size",
    "interp_id": "interpreter_state.id", "interp_next": "interpreter_state.next",
    "interp_threads_head": "interpreter_state.threads_head", "interp_modules": "interpreter_state.imports_modules",
    "interp_gil": "interpreter_state.ceval_gil", "thread_size": "thread_state.size",
    "thread_prev": "thread_state.prev", "thread_next": "thread_state.next", "thread_interp": "thread_state.interp",
    "thread_current_frame": "thread_state.current_frame", "thread_thread_id": "thread_state.thread_id",
    "thread_native_thread_id": "thread_state.native_thread_id",
    "thread_datastack_chunk": "thread_state.datastack_chunk", "thread_status": "thread_state.status",
    "iframe_size": "interpreter_frame.size", "iframe_previous": "interpreter_frame.previous",
    "iframe_executable": "interpreter_frame.executable", "iframe_instruction": "interpreter_frame.instr_ptr",
    "iframe_localsplus": "interpreter_frame.localsplus", "iframe_owner": "interpreter_frame.owner",
    "code_size": "code_object.size", "code_filename": "code_object.filename", "code_name": "code_object.name",
    "code_qualname": "code_object.qualname", "code_linetable": "code_object.linetable",
    "code_firstlineno": "code_object.firstlineno", "code_argcount": "code_object.argcount",
    "code_bytecode": "code_object.co_code_adaptive",
    "object_size": "pyobject.size", "object_type": "pyobject.ob_type", "type_name": "type_object.tp_name",
    "type_flags": "type_object.tp_flags", "dict_keys": "dict_object.ma_keys",
    "dict_values": "dict_object.ma_values", "long_digits": "long_object.ob_digit",
    "bytes_data": "bytes_object.ob_sval", "unicode_state": "unicode_object.state",
    "unicode_length": "unicode_object.length", "unicode_ascii_size": "unicode_object.asciiobject_size",
    "interp_threads_main": (14, "interpreter_state.threads_main"),
    "interp_code_object_generation": (14, "interpreter_state.code_object_generation"),
    "iframe_stack": (14, "interpreter_frame.stackpointer"), "gen_iframe": (14, "gen_object.gi_iframe"),
    "gen_frame_state": (14, "gen_object.gi_frame_state"), "thread_base_frame": (15, "thread_state.base_frame"),
    "thread_holds_gil": (15, "thread_state.holds_gil"), "thread_gil_requested": (15, "thread_state.gil_requested"),
    "type_basicsize": (15, "type_object.tp_basicsize"), "type_dictoffset": (15, "type_object.tp_dictoffset"),
    "heap_type_cached_keys": (15, "heap_type_object.ht_cached_keys"),
    "unicode_compact_size": (15, "unicode_object.compactunicodeobject_size"),
}

# Runs inside the interpreter: reads its own memory at the offsets given on stdin, and lists what it finds wrong.
LIVE = r'''
import ctypes, json, sys, threading
L, D = json.load(sys.stdin)
NONE = -2 ** 31
wrong = []
def p(a): return ctypes.c_uint64.from_address(a).value
def i(a): return ctypes.c_int32.from_address(a).value
def same(name, got, want):
    if got != want: wrong.append("%s: %r in memory, %r expected" % (name, got, want))
minor = sys.version_info[1]
runtime = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
interp = p(runtime + L["runtime_interpreters_head"])
thread = p(interp + L["interp_threads_head"])
same("interp_id", p(interp + L["interp_id"]), 0)
same("interp_next", p(interp + L["interp_next"]), 0)
same("interp_modules", p(interp + L["interp_modules"]), id(sys.modules))
same("thread_interp", p(thread + L["thread_interp"]), interp)
same("thread_thread_id", p(thread + L["thread_thread_id"]), threading.get_ident())
if L["thread_native_thread_id"] != NONE:
    same("thread_native_thread_id", p(thread + L["thread_native_thread_id"]), threading.get_native_id())
if L["runtime_tstate_current"] != NONE:
    same("runtime_tstate_current", p(runtime + L["runtime_tstate_current"]), thread)
    same("runtime_gil_last_holder", p(runtime + L["runtime_gil_last_holder"]), thread)
    same("runtime_gil_locked", i(runtime + L["runtime_gil_locked"]), 1)
if L["interp_gil"] != NONE:
    gil = p(interp + L["interp_gil"])
    same("gil_last_holder", p(gil + L["gil_last_holder"]), thread)
    same("gil_locked", i(gil + L["gil_locked"]), 1)
if L["interp_threads_main"] != NONE:
    same("interp_threads_main", p(interp + L["interp_threads_main"]), thread)
if L["thread_holds_gil"] != NONE: same("thread_holds_gil", i(thread + L["thread_holds_gil"]), 1)
def frame_check():  # the innermost frame is p's
    code = id(sys._getframe().f_code)
    if L["thread_frame"] != NONE:
        frame = p(p(thread + L["thread_frame"]) + L["pyframe_back"])
        same("pyframe_code", p(frame + L["pyframe_code"]), code)
        same("pyframe_back", p(frame + L["pyframe_back"]), id(sys._getframe(1)))
        return
    if L["thread_cframe"] != NONE:
        frame = p(p(thread + L["thread_cframe"]) + L["cframe_current_frame"])
    else:
        frame = p(thread + L["thread_current_frame"])
    back = p(frame + L["iframe_previous"])
    same("iframe_executable", p(back + L["iframe_executable"]) & ~3, code)
    top = p(thread + L["thread_datastack_top"])
    chunk = p(thread + L["thread_datastack_chunk"])
    same("datastack", chunk <= back < top <= chunk + p(chunk + L["chunk_size"]), True)
frame_check()
code = frame_check.__code__
same("code_filename", p(id(code) + L["code_filename"]), id(code.co_filename))
same("code_name", p(id(code) + L["code_name"]), id(code.co_name))
same("code_consts", p(id(code) + L["code_consts"]), id(code.co_consts))
same("code_firstlineno", i(id(code) + L["code_firstlineno"]), code.co_firstlineno)
same("code_flags", i(id(code) + L["code_flags"]), code.co_flags)
same("code_argcount", i(id(same.__code__) + L["code_argcount"]), same.__code__.co_argcount)
same("function_code", p(id(frame_check) + L["function_code"]), id(code))
if L["code_qualname"] != NONE:
    same("code_qualname", p(id(code) + L["code_qualname"]), id(code.co_qualname))
if L["code_version"] != NONE:
    same("code_version", i(id(frame_check) + L["function_version"]) in (0, i(id(code) + L["code_version"])), True)
table = p(id(code) + L["code_linetable"])
text = code.co_lnotab if minor < 10 else code.co_linetable
same("code_linetable", ctypes.string_at(table + L["bytes_data"], p(table + L["var_size"])), text)
name = "outpace"
same("unicode_length", p(id(name) + L["unicode_length"]), len(name))
same("unicode_ascii_size", ctypes.string_at(id(name) + L["unicode_ascii_size"], len(name)), name.encode())
wide = "\u00e9t\u00e9"
same("unicode_compact_size", ctypes.string_at(id(wide) + L["unicode_compact_size"], 3), wide.encode("latin-1"))
same("long_digits", i(id(12345) + L["long_digits"]), 12345)
same("module_dict", p(id(sys) + L["module_dict"]), id(sys.__dict__))
names = {str(n): n for n in range(5)}
names.pop("0")
keys = p(id(names) + L["dict_keys"])
same("dict_used", p(id(names) + L["dict_used"]), 4)
same("keys_nentries", p(keys + L["keys_nentries"]), 5)
if L["keys_size"] != NONE: same("keys_size", p(keys + L["keys_size"]), 8)
else: same("keys_log2_size", ctypes.c_uint8.from_address(keys + L["keys_log2_size"]).value, 3)
entries = keys + L["keys_indices"] + 8
general = L["keys_kind"] == NONE or ctypes.c_uint8.from_address(keys + L["keys_kind"]).value == 0
last = entries + 4 * (24 if general else 16) + (8 if general else 0)
same("keys_indices", (p(last), p(last + 8)), (id([k for k in names][-1]), id(4)))
class Slim: pass
slim = Slim()
slim.first, slim.second = frame_check, 1
if L["values_first"] != NONE:
    address = id(slim)
    if L["managed_values"] != NONE: values = p(address + L["managed_values"])
    elif L["inline_values"] == NONE: values = p(address + L["managed_dict"]) + 1
    else: values = address + L["inline_values"] + (0 if L["inline_values"] else Slim.__basicsize__)
    same("values_first", p(values + L["values_first"]), id(frame_check))
    slim.__dict__
    same("managed_dict", p(address + L["managed_dict"]), id(slim.__dict__))
def run(): yield 1
gen = run()
if L["gen_frame"] != NONE: same("gen_frame", p(id(gen) + L["gen_frame"]), id(gen.gi_frame))
else: same("gen_iframe", p(id(gen) + L["gen_iframe"] + L["iframe_executable"]) & ~3, id(run.__code__))
for field, place in D.items(): same("_Py_DebugOffsets of " + field, p(runtime + place), L[field])
json.dump(wrong, sys.stdout)
'''


class Target:
    """One interpreter: how to run it, its version, its headers."""

    def __init__(self, argument):
        root, colon, command = argument.partition(":")
        self.root = root if colon else ""
        self.command = (["chroot", root] if colon else []) + shlex.split(command if colon else argument)
        about = json.loads(self.run("import json, sys, sysconfig; print(json.dumps([list(sys.version_info[:4]), "
                                    "sysconfig.get_path('include'), sysconfig.get_config_var('MULTIARCH') or '', "
                                    "sysconfig.get_config_var('Py_GIL_DISABLED') or 0, "
                                    "sysconfig.get_config_var('CONFIGURE_CFLAGS_NODIST') or '']))"))
        self.version, include, self.multiarch, free_threaded, build_flags = about
        self.defines = re.findall(r"-D_Py_\w+(?:=\w+)?", build_flags)  # such as -D_Py_TIER2=3: not in pyconfig.h
        self.minor, self.patch = self.version[1], self.version[2]
        if free_threaded:
            raise SystemExit(f"{argument}: free-threaded builds have another layout")
        self.include = pathlib.Path(self.root + include)
        self.text = ".".join(map(str, self.version[:3]))

    def run(self, code, stdin=""):
        done = subprocess.run(self.command + ["-I", "-c", code], input=stdin, stdout=subprocess.PIPE,
                              universal_newlines=True, check=True)
        return done.stdout

    def debug_paths(self):
        paths = {}
        for field, path in DEBUG.items():
            first, path = path if isinstance(path, tuple) else (13, path)
            if self.minor >= first:
                paths[field] = path
        return paths

    def expressions(self):
        chosen = {}
        for field, ranges in FIELDS.items():
            hits = [value for first, last, value in ranges if first <= self.minor <= last]
            chosen[field] = hits[0] if hits else NONE
        return chosen

    def measure(self, cc, scratch):
        """Compiles the expressions; returns ({field: value}, {field: its place in _Py_DebugOffsets})."""
        fields, paths = self.expressions(), self.debug_paths()
        debug = [f"offsetof(struct _Py_DebugOffsets, {path})" for path in paths.values()]
        lines = ["#define Py_BUILD_CORE 1"]
        lines += [f"#include <{name}>" for name in ("Python.h", "frameobject.h", "stddef.h")]
        lines += [f'#include "internal/{name}"' for name, first, last in HEADERS if first <= self.minor <= last]
        lines += ['__attribute__((section(".op_table"), used)) const long long op_table[] = {']
        lines += [f"    (long long)({value})," for value in list(fields.values()) + debug] + ["};"]
        source, thing, raw = (scratch / f"layout{self.minor}{end}" for end in (".c", ".o", ".bin"))
        source.write_text("\n".join(lines) + "\n")
        flags = self.defines + ["-I", str(self.include), "-I", str(self.include / "internal")]
        if self.root and self.multiarch:  # Debian's pyconfig.h leads there
            inside = scratch / f"include{self.minor}" / self.multiarch
            inside.mkdir(parents=True)
            (inside / self.include.name).symlink_to(self.include.parent / self.multiarch / self.include.name)
            flags += ["-I", str(inside.parent)]
        subprocess.run(cc + ["-c", "-w", "-O1", "-o", str(thing), str(source)] + flags, check=True)
        subprocess.run(["objcopy", "-O", "binary", "-j", ".op_table", "--set-section-flags",
                        ".op_table=alloc,contents", str(thing), str(raw)], check=True)
        numbers = [int.from_bytes(raw.read_bytes()[at:at + 8], "little", signed=True)
                   for at in range(0, raw.stat().st_size, 8)]
        assert len(numbers) == len(fields) + len(paths)
        return dict(zip(fields, numbers)), dict(zip(paths, numbers[len(fields):]))


def map_fields():
    text = (SOURCE / "layout.h").read_text()
    body = text[text.index("#define OP_LAYOUT_MAP(X)"):text.index("enum { OP_LAYOUT_NONE")]
    return re.findall(r"X\((\w+)\)", re.sub(r"/\*.*?\*/", "", body))


def layout_text(minor, patches, values):
    texts = [f"3.{minor}.{patch}" for patch in patches]
    source = "headers of CPython " + " and ".join(texts)
    rows = []
    for field in map_fields():
        value = values[field]
        rows.append(f"    .{field} = {'OP_LAYOUT_NONE' if value == NONE else value},")
    return (BANNER.format(source="the " + source) + '#include "cpython/layouts/tables.h"\n\n'
            f"const op_layout op_layout_3_{minor} = {{\n" + "\n".join(rows) + f"\n    .minor = {minor},\n"
            f"    .first_patch = {min(patches)},\n    .last_patch = {max(patches)},\n"
            f'    .source = "{source}",\n}};\n')


def tables_text(minors):
    guard = "OP_CPYTHON_LAYOUTS_TABLES_H"
    newest = max(minors)
    with_opcodes = [minor for minor in minors if minor >= FIRST_OPCODES]
    def rows(name, chosen):
        return f"#define {name}(X)" + "".join(f" \\\n    X(3_{minor})" for minor in chosen) + "\n"
    return ("// SPDX-License-Identifier: MIT\n"
            "// Made by tools/layouts.py: do not edit. The tables that there are.\n"
            f'#ifndef {guard}\n#define {guard}\n\n#include "cpython/layout.h"\n\n'
            f'#define OP_LAYOUT_KNOWN_VERSIONS "3.{min(minors)} to 3.{newest}"\n\n'
            + rows("OP_LAYOUT_TABLES", minors) + "\n" + rows("OP_OPCODES_TABLES", with_opcodes) + "\n"
            "#define X(version) extern const op_layout op_layout_##version;\nOP_LAYOUT_TABLES(X)\n#undef X\n"
            "#define X(version) extern const op_opcodes op_opcodes_##version;\nOP_OPCODES_TABLES(X)\n#undef X\n\n"
            "#endif\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing: fail where a table would change")
    parser.add_argument("--cc", default="cc", help="C compiler (default: cc)")
    parser.add_argument("python", nargs="+", help="COMMAND or ROOT:COMMAND")
    options = parser.parse_args()
    if set(map_fields()) != set(FIELDS):
        raise SystemExit(f"layout.h and FIELDS differ in: {sorted(set(map_fields()) ^ set(FIELDS))}")

    files, found, failed = {}, {}, False
    with tempfile.TemporaryDirectory() as scratch:
        for number, argument in enumerate(options.python):
            target = Target(argument)
            place = pathlib.Path(scratch) / str(number)
            place.mkdir()
            values, debug = target.measure(shlex.split(options.cc), place)
            wrong = json.loads(target.run(LIVE, json.dumps([values, debug])))
            for text in wrong:
                print(f"{target.text}: {text}", file=sys.stderr)
            failed = failed or bool(wrong)
            opcodes = opcode_rules.table(target) if target.minor >= FIRST_OPCODES else None
            print(f"{target.text}: {len(values)} fields, {len(debug)} of them compared with _Py_DebugOffsets, "
                  f"{len(wrong)} wrong")
            found.setdefault(target.minor, []).append((target.patch, values, opcodes))
    for minor, releases in sorted(found.items()):
        patches, first = [patch for patch, _, _ in releases], releases[0]
        for patch, values, opcodes in releases[1:]:
            for field in values:
                if values[field] != first[1][field]:
                    failed = True
                    print(f"3.{minor}: {field} is {first[1][field]} in .{first[0]}, {values[field]} in .{patch}",
                          file=sys.stderr)
            if opcodes != first[2]:
                failed = True
                print(f"3.{minor}: opcode tables of .{first[0]} and .{patch} differ", file=sys.stderr)
        files[SOURCE / "layouts" / f"layout_3_{minor}.c"] = layout_text(minor, patches, first[1])
        if first[2]:
            files[SOURCE / "opcodes" / f"opcodes_3_{minor}.c"] = opcode_rules.text(minor, patches, first[2], BANNER)
    if failed:
        return 1
    known = {int(path.stem.rpartition("_")[2]) for path in (SOURCE / "layouts").glob("layout_3_*.c")} | set(found)
    files[SOURCE / "layouts" / "tables.h"] = tables_text(sorted(known))
    for path, text in files.items():
        old = path.read_text() if path.exists() else None
        if options.check and old != text:
            failed = True
            print(f"{path.relative_to(REPO)}: not what these interpreters say", file=sys.stderr)
        elif old != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
