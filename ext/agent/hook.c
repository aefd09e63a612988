// SPDX-License-Identifier: MIT
#include "agent/hook.h"

#include <string.h>

#if !OP_HAS_MONITORING
#if PY_VERSION_HEX >= 0x030B0000
#define Py_BUILD_CORE 1   // for _PyInterpreterFrame, which 3.11 will keep as it is
#include <internal/pycore_frame.h>
#undef Py_BUILD_CORE
#endif

// Opcodes of both versions: Lib/opcode.py.
#if PY_VERSION_HEX >= 0x030B0000
enum { OPCODE_YIELD_VALUE = 86, OPCODE_RESUME = 151 };
#else
enum { OPCODE_YIELD_VALUE = 86, OPCODE_YIELD_FROM = 72 };
#endif

typedef struct saved_hook {
    PyThreadState *state;   // compared only
    Py_tracefunc function;
    PyObject *object;   // owned
    struct saved_hook *next;
} saved_hook;

static op_tracer *holder;
static PyObject *held;   // owned: the callback
static Py_tracefunc held_function;
static saved_hook *saved_hooks;
static PyObject *saved_threading;   // owned: threading's hook before ours
static PyObject *threading_hook;    // owned: ours

int op_frame_opcode(PyFrameObject *frame, PyCodeObject *code, int *oparg)
{
#if PY_VERSION_HEX >= 0x030B0000
    int at = PyFrame_GetLasti(frame);
    if (at < 0) {
        return -1;
    }
    const unsigned char *bytes = (const unsigned char *)_PyCode_CODE(code) + at;
#else
    int at = frame->f_lasti * 2;
    if (at < 0) {
        return -1;
    }
    const unsigned char *bytes = (const unsigned char *)PyBytes_AS_STRING(code->co_code) + at;
#endif
    *oparg = bytes[1];
    return bytes[0];
}

PyCodeObject *op_frame_caller(PyFrameObject *frame)
{
#if PY_VERSION_HEX >= 0x030B0000
    const _PyInterpreterFrame *caller = frame->f_frame->previous;
    return caller != NULL ? caller->f_code : NULL;
#else
    return frame->f_back != NULL ? frame->f_back->f_code : NULL;
#endif
}

static bool is_generator(const PyCodeObject *code)
{
    return (code->co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)) != 0;
}

bool op_frame_resumes(PyFrameObject *frame, PyCodeObject *code)
{
    if (!is_generator(code)) {
        return false;
    }
    int oparg = 0, opcode = op_frame_opcode(frame, code, &oparg);
#if PY_VERSION_HEX >= 0x030B0000
    return !(opcode == OPCODE_RESUME && (oparg & 3) == 0);   // where throw() enters it stands at the yield
#else
    return opcode >= 0;
#endif
}

bool op_frame_yields(PyFrameObject *frame, PyCodeObject *code)
{
    if (!is_generator(code)) {
        return false;
    }
    int oparg, opcode = op_frame_opcode(frame, code, &oparg);
#if PY_VERSION_HEX >= 0x030B0000
    return opcode == OPCODE_YIELD_VALUE;
#else
    return opcode == OPCODE_YIELD_VALUE || opcode == OPCODE_YIELD_FROM;
#endif
}

static bool setting;   // the hook that is set is ours

// A program that sets the hook for itself, or clears it, takes ours away, and the rest of that thread is not counted:
// nothing but the audit event tells of it.
static int on_audit(const char *event, PyObject *arguments, void *unused)
{
    (void)arguments, (void)unused;
    if (holder != NULL && !setting && strcmp(event, "sys.setprofile") == 0) {
        holder->segment.header->lost_hooks++;
    }
    return 0;
}

static int watch_hooks(void)
{
    static bool watched;
    if (!watched && PySys_AddAuditHook(on_audit, NULL) != 0) {
        return -1;
    }
    watched = true;
    return 0;
}

static int set_hook(PyThreadState *state, Py_tracefunc function, PyObject *object)
{
    setting = true;
    int status = _PyEval_SetProfile(state, function, object);
    setting = false;
    return status;
}

// The hook as Python sees it, called with (frame, event, arg): by threading for the first event of a new thread, and
// where a program puts back what sys.getprofile() gave. The real one takes its place.
static PyObject *on_python_hook(PyObject *self, PyObject *const *arguments, size_t count, PyObject *keywords)
{
    (void)keywords;
    op_callback *callback = (op_callback *)self;
    if (PyVectorcall_NARGS(count) != 3 || !PyFrame_Check(arguments[0]) || !PyUnicode_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "a frame, the name of an event and its argument are needed");
        return NULL;
    }
    if (holder != callback->tracer) {
        PyEval_SetProfile(NULL, NULL);
        Py_RETURN_NONE;
    }
    static const struct {
        const char *name;
        int what;
    } events[] = {{"call", PyTrace_CALL},
                  {"return", PyTrace_RETURN},
                  {"c_call", PyTrace_C_CALL},
                  {"c_return", PyTrace_C_RETURN},
                  {"c_exception", PyTrace_C_EXCEPTION}};
    holder->segment.header->lost_hooks -= holder->segment.header->lost_hooks > 0;   // it is ours that was set
    set_hook(PyThreadState_Get(), held_function, held);
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        if (PyUnicode_CompareWithASCIIString(arguments[1], events[i].name) == 0) {
            held_function(held, (PyFrameObject *)arguments[0], events[i].what, arguments[2]);
        }
    }
    Py_RETURN_NONE;
}

static int set_threading(PyObject *hook)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *done = threading != NULL ? PyObject_CallMethod(threading, "setprofile", "O", hook) : NULL;
    Py_XDECREF(threading);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

// A new reference; NULL: unknown.
static PyObject *get_threading(void)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *hook = threading != NULL ? PyObject_GetAttrString(threading, "_profile_hook") : NULL;
    Py_XDECREF(threading);
    PyErr_Clear();
    return hook;
}

// Imports threading, which a program that starts threads does too.
static int hook_threading(op_tracer *tracer, PyObject *owner)
{
    saved_threading = get_threading();
    threading_hook = op_callback_new(tracer, owner, on_python_hook);
    int status = threading_hook != NULL ? set_threading(threading_hook) : -1;
    if (status != 0) {
        Py_CLEAR(saved_threading);
        Py_CLEAR(threading_hook);
    }
    return status;
}

static void unhook_threading(void)
{
    PyObject *now = get_threading();
    if (now == NULL || now == threading_hook) {   // else the program has set another since
        set_threading(saved_threading != NULL ? saved_threading : Py_None);
    }
    Py_XDECREF(now);
    Py_CLEAR(saved_threading);
    Py_CLEAR(threading_hook);
}

int op_hook_start(op_tracer *tracer, PyObject *owner, Py_tracefunc function)
{
    if (holder != NULL) {
        PyErr_SetString(PyExc_ValueError, "Another profiling tool is already active: an Outpace profiler");
        return -1;
    }
    if (op_callback_ready() != 0 || watch_hooks() != 0) {
        return -1;
    }
    // Taken before what follows runs Python code, and so lets other threads run, which may want to start, too.
    holder = tracer;
    held_function = function;
    tracer->slot = 0;
    tracer->generation = op_callback_generation();
    held = op_callback_new(tracer, owner, on_python_hook);
    if (held == NULL || hook_threading(tracer, owner) != 0) {
        Py_CLEAR(held);
        tracer->slot = -1;
        holder = NULL;
        return -1;
    }
    tracer->enabled = true;
    PyThreadState *first = PyInterpreterState_ThreadHead(PyThreadState_Get()->interp);
    for (PyThreadState *state = first; state != NULL; state = PyThreadState_Next(state)) {
        if (state->c_profilefunc != NULL) {
            saved_hook *saved = PyMem_RawMalloc(sizeof *saved);
            if (saved != NULL) {
                Py_XINCREF(state->c_profileobj);
                *saved = (saved_hook){state, state->c_profilefunc, state->c_profileobj, saved_hooks};
                saved_hooks = saved;
            }
        }
        if (set_hook(state, function, held) != 0) {
            op_hook_stop(tracer);
            return -1;
        }
    }
    return 0;
}

static saved_hook *take_saved(const PyThreadState *state)
{
    for (saved_hook **at = &saved_hooks; *at != NULL; at = &(*at)->next) {
        if ((*at)->state == state) {
            saved_hook *found = *at;
            *at = found->next;
            return found;
        }
    }
    return NULL;
}

static void unhook_threads(void)
{
    PyThreadState *first = PyInterpreterState_ThreadHead(PyThreadState_Get()->interp);
    for (PyThreadState *state = first; state != NULL; state = PyThreadState_Next(state)) {
        saved_hook *saved = take_saved(state);
        if (state->c_profilefunc == held_function) {
            set_hook(state, saved != NULL ? saved->function : NULL, saved != NULL ? saved->object : NULL);
        }
        if (saved != NULL) {
            Py_XDECREF(saved->object);
            PyMem_RawFree(saved);
        }
    }
}

void op_hook_stop(op_tracer *tracer)
{
    if (holder != tracer) {
        return;
    }
    op_saved_error error = op_error_save();
    tracer->enabled = false;
    unhook_threads();
    while (saved_hooks != NULL) {   // of threads that ended
        saved_hook *next = saved_hooks->next;
        Py_XDECREF(saved_hooks->object);
        PyMem_RawFree(saved_hooks);
        saved_hooks = next;
    }
    unhook_threading();
    unhook_threads();   // of threads that began meanwhile
    holder = NULL;
    tracer->slot = -1;
    Py_CLEAR(held);
    PyErr_Clear();
    op_error_restore(error);
}
#endif
