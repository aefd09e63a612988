// SPDX-License-Identifier: MIT
// The rooms that are still being built: each definition here gives way to the real one. Goes with the last of them.
#include "cache/coroutine.h"
#include "cache/flight.h"
#include "cache/owner.h"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define WEAK __attribute__((weak))
WEAK int op_owner_ready(PyObject *m, op_module *s)
{
    return 0;
}
WEAK int op_flight_ready(PyObject *m, op_module *s)
{
    return 0;
}
WEAK int op_instance_ready(PyObject *m, op_module *s)
{
    return 0;
}
WEAK int op_coroutine_ready(PyObject *m, op_module *s)
{
    return 0;
}
WEAK int op_mapping_ready(PyObject *m, op_module *s)
{
    return 0;
}
WEAK bool op_owner_suits(PyTypeObject *type)
{
    return false;
}
WEAK bool op_owner_is(op_key key, PyObject *self)
{
    return false;
}
WEAK op_owner *op_owner_get(op_store *store, op_module *state, PyObject *self)
{
    return NULL;
}
WEAK void op_owner_add(op_owner *owner, op_key key, uint32_t slot)
{
}
WEAK void op_owner_remove(op_key key)
{
}
WEAK void op_owners_drop(op_store *store)
{
}
WEAK PyObject *op_flight_load(op_store *store, op_module *state, const op_call *call, op_loader loader,
                              op_keeper keeper, void *context)
{
    uint64_t t = op_store_ticket(store);
    PyObject *v = op_store_load(store, loader, context);
    if (keeper(context, v, t) != 0)
        Py_CLEAR(v);
    return v;
}
WEAK int op_flight_is_loading(op_store *store, const op_call *call)
{
    return 0;
}
WEAK PyObject *op_coroutine_new(op_function *f, PyObject *const *args, size_t n, PyObject *names)
{
    return NULL;
}
