# SPDX-License-Identifier: MIT
"""What each instruction of CPython 3.11+ can do to the chain of frames: the rules behind src/cpython/opcodes.

Numbers, inline caches and families come from the interpreter's own headers. What an instruction does comes from
the rules below, by its name, the first match counts. Where the headers tell more (3.13+: flags and
micro-operations) the rules must agree with them, and the tables of the opcode module must agree with the
headers.
"""
import json
import re

PUSHES, ENTERS, RESUMES, VERSIONED, EXTENDED, INTERRUPTIBLE, SIBLING = (1 << bit for bit in range(7))
ANY = PUSHES | ENTERS | RESUMES

# (first minor, last minor, full match of the name, flags). Nothing matches: ENTERS.
RULES = [
    # The real instruction is elsewhere: behind a monitoring table, or in compiled code.
    (11, 99, r"INSTRUMENTED_(LINE|INSTRUCTION)|ENTER_EXECUTOR|TRACE_RECORD", ANY),
    (11, 99, r"EXTENDED_ARG(_QUICK)?", EXTENDED),

    # Calls of Python functions inside the eval loop. A returning callee clears its locals while the caller is still
    # at its call, so that all of these can be interrupted. CALL_FUNCTION_EX does it from 3.12 on.
    (11, 99, r"CALL", PUSHES | ENTERS),
    (13, 99, r"CALL_KW", PUSHES | ENTERS),
    (12, 99, r"CALL_FUNCTION_EX", PUSHES | ENTERS),
    (11, 99, r"CALL_PY_(EXACT_ARGS|WITH_DEFAULTS|GENERAL)|CALL_BOUND_METHOD_\w+", PUSHES | INTERRUPTIBLE),
    (13, 99, r"CALL_KW_(PY|BOUND_METHOD)|CALL_EX_PY|CALL_ALLOC_AND_ENTER_INIT", PUSHES | INTERRUPTIBLE),
    # The only instruction at which the shim of a CALL_ALLOC_AND_ENTER_INIT waits for its __init__.
    (13, 99, r"EXIT_INIT_CHECK", PUSHES | INTERRUPTIBLE),
    (11, 99, r"BINARY_(SUBSCR|OP_SUBSCR)_GETITEM|LOAD_ATTR_PROPERTY|LOAD_ATTR_GETATTRIBUTE_OVERRIDDEN",
     PUSHES | INTERRUPTIBLE),
    # Generators run inside the eval loop of their caller from 3.12 on; an unspecialised FOR_ITER never does that.
    (12, 99, r"SEND", RESUMES | ENTERS),
    (12, 99, r"SEND_GEN|FOR_ITER_GEN", RESUMES | INTERRUPTIBLE),

    # Nothing that runs other code: the values that they drop, if any, are plain numbers, strings or booleans.
    (11, 99, r"CACHE|RESERVED|NOP|NOT_TAKEN|PUSH_NULL|COPY|SWAP|KW_NAMES|COPY_FREE_VARS|PUSH_EXC_INFO", 0),
    (11, 99, r"LOAD_FAST(__|_)?(LOAD_FAST|LOAD_CONST)?|LOAD_FAST_AND_CLEAR", 0),
    (11, 99, r"LOAD_FAST_BORROW(_LOAD_FAST_BORROW)?", 0),
    (11, 99, r"LOAD_CONST(_IMMORTAL|_MORTAL|__LOAD_FAST)?|LOAD_SMALL_INT|LOAD_COMMON_CONSTANT|LOAD_CLOSURE", 0),
    (11, 99, r"LOAD_ASSERTION_ERROR|LOAD_GLOBAL_(MODULE|BUILTIN)", 0),
    (11, 99, r"JUMP_FORWARD|JUMP_BACKWARD_NO_INTERRUPT", 0),
    (13, 99, r"POP_JUMP_IF_(TRUE|FALSE)|UNARY_NOT|TO_BOOL_(BOOL|NONE)", 0),
    (11, 99, r"BINARY_OP_(ADD|SUBTRACT|MULTIPLY)_(INT|FLOAT|UNICODE)|COMPARE_OP_(INT|FLOAT|STR)(_JUMP)?", 0),

    # These run other code only by dropping a last reference, or where signals, pending calls and collections are
    # served.
    (11, 99, r"STORE_FAST\w*|DELETE_FAST|POP_TOP|POP_ITER|POP_EXCEPT|END_FOR|END_SEND|RERAISE", INTERRUPTIBLE),
    (11, 99, r"INTERPRETER_EXIT|IS_OP|BINARY_OP_INPLACE_ADD_UNICODE", INTERRUPTIBLE),
    (11, 99, r"RETURN_\w+|YIELD_VALUE|RESUME\w*|JUMP_BACKWARD\w*", INTERRUPTIBLE),
    (11, 99, r"(POP_JUMP_|POP_JUMP_FORWARD_|POP_JUMP_BACKWARD_)IF_(NOT_)?NONE", INTERRUPTIBLE),
    (13, 99, r"TO_BOOL_(LIST|INT|STR|ALWAYS_TRUE)", INTERRUPTIBLE),
    (11, 99, r"LOAD_(DEREF|FAST_CHECK)|STORE_DEREF|MAKE_CELL|MAKE_FUNCTION|SET_FUNCTION_ATTRIBUTE", INTERRUPTIBLE),
    (11, 99, r"BUILD_(TUPLE|LIST|STRING|SLICE)|LIST_APPEND|MATCH_(MAPPING|SEQUENCE)", INTERRUPTIBLE),
    (11, 99, r"(BINARY_SUBSCR|BINARY_OP_SUBSCR)_(LIST|TUPLE|STR|USTR)_(INT|SLICE)", INTERRUPTIBLE),
    (11, 99, r"STORE_SUBSCR_LIST_INT", INTERRUPTIBLE),
    (11, 99, r"UNPACK_SEQUENCE_\w*(LIST|TUPLE)|FOR_ITER_(LIST|TUPLE|RANGE)|GET_ITER_(SELF|VIRTUAL)", INTERRUPTIBLE),
    (11, 99, r"LOAD_ATTR_(INSTANCE_VALUE|MODULE|SLOT|WITH_HINT|CLASS|CLASS_WITH_METACLASS_CHECK)", INTERRUPTIBLE),
    (11, 99, r"LOAD_ATTR_(METHOD|NONDESCRIPTOR)_\w+", INTERRUPTIBLE),
    (11, 99, r"LOAD_METHOD_(CLASS|MODULE|NO_DICT|WITH_DICT|WITH_VALUES)", INTERRUPTIBLE),
    (11, 99, r"STORE_ATTR_(INSTANCE_VALUE|SLOT|WITH_HINT)", INTERRUPTIBLE),
    (11, 99, r"(PRE)?CALL_(NO_KW_)?(TYPE_1|LIST_APPEND)", INTERRUPTIBLE),
    (11, 11, r"PRECALL(_ADAPTIVE|_BOUND_METHOD|_PYFUNC)?", INTERRUPTIBLE),
]

# Instructions that compare a function's 32-bit version with their inline cache: where it lies, in 2-byte units
# behind the instruction. (3.11's BINARY_SUBSCR_GETITEM keeps 16 bits, 3.14's LOAD_ATTR_PROPERTY compares none.)
VERSIONS = [
    (11, 99, r"CALL_PY_(EXACT_ARGS|WITH_DEFAULTS|GENERAL)|CALL_BOUND_METHOD_\w+|CALL_KW_(PY|BOUND_METHOD)", 1),
    (12, 99, r"LOAD_ATTR_GETATTRIBUTE_OVERRIDDEN", 3),
    (12, 13, r"LOAD_ATTR_PROPERTY", 3),
    (15, 99, r"LOAD_ATTR_PROPERTY", 3),
]

FLAG_NAMES = {PUSHES: "PUSHES", ENTERS: "ENTERS", RESUMES: "RESUMES", VERSIONED: "VERSIONED", EXTENDED: "EXTENDED",
              INTERRUPTIBLE: "INTERRUPTIBLE", SIBLING: "SIBLING"}

OWN_TABLES = """
import json, opcode
names = dict(opcode.opmap)
names.update(getattr(opcode, "_specialized_opmap", {}))
caches = opcode._inline_cache_entries
if not hasattr(caches, "items"):
    caches = {opcode.opname[number]: count for number, count in enumerate(caches) if count}
families = {child: base for base, children in opcode._specializations.items() for child in children}
print(json.dumps([names, dict(caches), families]))
"""


def look_up(rules, minor, name, default):
    for first, last, pattern, value in rules:
        if first <= minor <= last and re.fullmatch(pattern, name):
            return value
    return default


def block(text, start):
    """The lines of one initialised array of a header."""
    match = re.search(re.escape(start) + r"[^;{]*=\s*\{\n(.*?)\n\};", text, re.DOTALL)
    return match.group(1) if match else ""


def table(target):
    """{number: (name, flags, caches, version_cache, deopt number)} of one interpreter."""
    minor, include = target.minor, target.include
    ids = (include / ("opcode_ids.h" if minor >= 13 else "opcode.h")).read_text()
    internal = "pycore_opcode_metadata.h" if minor >= 13 else "pycore_opcode.h"
    facts = (include / "internal" / internal).read_text()
    defined = re.findall(r"^#define\s+([A-Z]\w*)\s+(\d+)\s*$", ids, re.MULTILINE)
    numbers = {name: int(number) for name, number in defined
               if int(number) < 256 and not re.match(r"HAVE_ARGUMENT|MIN_|MAX_|NB_|ENABLE_|Py_", name)}
    counts = re.findall(r"\[(\w+)\] = (\d+)", block(facts, "_PyOpcode_Caches[256]"))
    caches = {name: int(count) for name, count in counts}
    deopt = dict(re.findall(r"\[(\w+)\] = (\w+)", block(facts, "_PyOpcode_Deopt[256]")))

    own_names, own_caches, own_families = json.loads(target.run(OWN_TABLES))
    problems = [f"{name} is {number} in opcode.py, {numbers.get(name)} in the headers"
                for name, number in own_names.items() if number < 256 and number != numbers.get(name)]
    problems += [f"{name} has {count} caches in opcode.py, {caches.get(name, 0)} in the headers"
                 for name, count in own_caches.items() if count != caches.get(name, 0)]
    # 3.11 and 3.12 count some superinstructions to their first half's family in one place only.
    problems += [f"{name} belongs to {base} in opcode.py, {deopt.get(name)} in the headers"
                 for name, base in own_families.items() if "__" not in name and deopt.get(name) != base]

    rows = {}
    for name, number in numbers.items():
        base = name[len("INSTRUMENTED_"):] if name.startswith("INSTRUMENTED_") else name
        base = base if base in numbers else name
        generic = deopt.get(base, base)
        generic = generic if generic in numbers else base
        # 3.11's warming-up forms do what the generic one does.
        ruled = generic if re.search(r"_(ADAPTIVE|QUICK)$", base) else base
        flags = look_up(RULES, minor, ruled, ENTERS)
        if base != name:
            flags |= ENTERS  # a monitoring callback
        version = look_up(VERSIONS, minor, name, None)
        # Compiled code is entered in place of a backward jump, whose caches stay.
        behind = caches.get("JUMP_BACKWARD" if name == "ENTER_EXECUTOR" else generic, 0)
        flags |= VERSIONED if version is not None else 0
        rows[number] = [name, flags, behind, version or 0, numbers[generic]]
    # A frame can wait in a specialised form that a deeper call has turned back into the generic one meanwhile.
    for number, row in rows.items():
        family = [other for other in rows.values() if other[4] == row[4]]
        generic_form = number == row[4] or re.search(r"^INSTRUMENTED_|_(ADAPTIVE|QUICK)$", row[0])
        missing = [flag for flag in (PUSHES, RESUMES)
                   if not row[1] & flag and any(other[1] & flag for other in family)]
        if generic_form and missing:
            row[1] |= SIBLING | sum(missing)
    problems += contradictions(minor, facts, rows)
    if problems:
        raise SystemExit("\n".join(f"{target.text}: {problem}" for problem in problems))
    return {number: tuple(row) for number, row in sorted(rows.items())}


def contradictions(minor, facts, rows):
    """Where the rules say other than the flags and micro-operations of 3.13+."""
    problems, by_name = [], {row[0]: row for row in rows.values()}
    described = re.findall(r"^    \[(\w+)\] = \{ true, \w+, ([^}]*)\}", facts, re.MULTILINE)
    expanded = r"^    \[(\w+)\] = \{ \.nuops = \d+, \.uops = \{ (.*) \} \},$"
    expansions = dict(re.findall(expanded, facts, re.MULTILINE))
    version_check = r"\{ _CHECK_(?:FUNCTION_VERSION|METHOD_VERSION|FUNCTION_EXACT_ARGS)(?:_KW)?, 2, (\d+) \}"
    for name, said in described:
        row = by_name.get(name)
        # 3.14 flags these for freeing an int.
        exact_int = re.fullmatch(r"BINARY_OP_(ADD|SUBTRACT|MULTIPLY)_INT", name)
        if row and "HAS_ESCAPES_FLAG" in said and not row[1] & (ANY | INTERRUPTIBLE) and not exact_int:
            problems.append(f"{name} can run other code, by its flags")
    for name, steps in expansions.items():
        row = by_name.get(name)
        if not row:
            continue
        resumes = bool(re.search(r"_(SEND|FOR_ITER)_GEN_FRAME", steps))
        pushes = "_PUSH_FRAME" in steps and not resumes
        if not row[1] & SIBLING and (pushes, resumes) != (bool(row[1] & PUSHES) and name != "EXIT_INIT_CHECK",
                                                          bool(row[1] & RESUMES)):
            problems.append(f"{name} pushes={pushes} resumes={resumes}, by its micro-operations")
        checks = re.findall(version_check, steps)
        if checks and (not row[1] & VERSIONED or int(checks[0]) != row[3]):
            problems.append(f"{name} compares a function version at {checks}, by its micro-operations")
    return problems


def array(rows, column):
    lines, cells = [], [f"[{number}] = {row[column]}" for number, row in rows.items() if row[column]]
    for start in range(0, len(cells), 8):
        lines.append("        " + ", ".join(cells[start:start + 8]) + ",\n")
    return "".join(lines)


def text(minor, patches, rows, banner):
    source = "the opcode tables of CPython " + " and ".join(f"3.{minor}.{patch}" for patch in patches)
    flags = []
    for number, row in rows.items():
        words = " | ".join(name for flag, name in FLAG_NAMES.items() if row[1] & flag)
        if words:
            flags.append(f"        [{number}] = {words},  // {row[0]}\n")
    cells = [f'[{number}] = "{row[0]}"' for number, row in rows.items()]
    names = "".join("    " + ", ".join(cells[start:start + 3]) + ",\n" for start in range(0, len(cells), 3))
    short = "".join(f"#define {name} OP_OPCODE_{name}\n" for name in FLAG_NAMES.values())
    return (banner.format(source=source) + '#include "cpython/layouts/tables.h"\n\n' + short + "\n"
            f"static const char *const NAMES[256] = {{\n{names}}};\n\n"
            f"const op_opcodes op_opcodes_3_{minor} = {{\n    .minor = {minor},\n"
            f"    .flags = {{\n{''.join(flags)}    }},\n"
            f"    .caches = {{\n{array(rows, 2)}    }},\n    .version_cache = {{\n{array(rows, 3)}    }},\n"
            f"    .deopt = {{\n{array(rows, 4)}    }},\n    .names = NAMES,\n}};\n")
