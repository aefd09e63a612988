// SPDX-License-Identifier: MIT
// outpace._cache: caches of what functions return, and of keys and values. See cache.h.
#include "cache/coroutine.h"
#include "cache/twin.h"

#define EACH_MEMBER(DO)                                                                                            \
    DO(function_type)                                                                                              \
    DO(owner_type)                                                                                                 \
    DO(owner_died)                                                                                                 \
    DO(flight_type)                                                                                                \
    DO(own_type)                                                                                                   \
    DO(own_died)                                                                                                   \
    DO(holder_type)                                                                                                \
    DO(method_type)                                                                                                \
    DO(bound_type)                                                                                                 \
    DO(coroutine_type)                                                                                             \
    DO(mapping_type)                                                                                               \
    DO(loaded_type)                                                                                                \
    DO(raised_type)                                                                                                \
    DO(missed_type)                                                                                                \
    DO(stop_type)                                                                                                  \
    DO(stop)                                                                                                       \
    DO(start_refresh)                                                                                              \
    DO(start_load)                                                                                                 \
    DO(stats_type)

op_module *op_module_of_type(PyTypeObject *type)
{
    for (PyTypeObject *base = type; base != NULL; base = base->tp_base) {
        if ((base->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0) {
            break;
        }
        PyObject *module = ((PyHeapTypeObject *)base)->ht_module;
        if (module != NULL && PyModule_GetDef(module) == &op_cache_module) {
            return PyModule_GetState(module);
        }
    }
    Py_UNREACHABLE();
}

static int module_exec(PyObject *module)
{
    static int (*const ready[])(PyObject *, op_module *) = {
        op_store_ready,  op_owner_ready,     op_flight_ready,  op_function_ready,
        op_method_ready, op_coroutine_ready, op_mapping_ready,
    };
    op_module *state = PyModule_GetState(module);
    for (size_t i = 0; i < sizeof ready / sizeof *ready; i++) {
        if (ready[i](module, state) != 0) {
            return -1;
        }
    }
    return 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    op_module *state = PyModule_GetState(module);
#define VISIT(member) Py_VISIT(state->member);
    EACH_MEMBER(VISIT)
    for (size_t i = 0; i < state->unused_count; i++) {
        Py_VISIT(state->unused[i]);
    }
    return 0;
}

static int module_clear(PyObject *module)
{
    op_module *state = PyModule_GetState(module);
    op_coroutine_forget(state);
#define CLEAR(member) Py_CLEAR(state->member);
    EACH_MEMBER(CLEAR)
    return 0;
}

static void module_free(void *module)
{
    module_clear(module);
}

static PyMethodDef methods[] = {
    {"exception_for_thread", op_twin_method, METH_O,
     PyDoc_STR("exception_for_thread($module, exception, /)\n--\n\n"
               "What another thread may raise for the exception: itself, or without a GIL one like it, or None.")},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

struct PyModuleDef op_cache_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "outpace._cache",
    .m_doc = "Caches of what functions return, and of keys and values.",
    .m_size = sizeof(op_module),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__cache(void);
PyMODINIT_FUNC PyInit__cache(void)
{
    return PyModuleDef_Init(&op_cache_module);
}
