// SPDX-License-Identifier: MIT
// See owner.h.
//
// Who holds whom: a weak key holds its owner (op_tail), and nobody else does for long: an owner whose last key goes,
// goes. The store's table of owners borrows them: an owner leaves it with its last key, under the lock.
// An owner knows its store through a weak reference to the store's home, so a store that is gone is never touched.
#include "cache/owner.h"

#include "cache/weak.h"

struct op_owner {
    op_weak weak;      // of the instance
    PyObject *home;    // owned: a weak reference to the object that owns the store
    op_store *store;   // alive while home is
    op_key first;      // chain of its keys by their tails; under the store's lock
};

struct op_owners {
    op_weaks weaks;   // owners with keys
};

// ---- the type ---------------------------------------------------------------------------------------------------------

static void owner_dealloc(PyObject *object)
{
    op_owner *owner = (op_owner *)(void *)object;
    PyObject_GC_UnTrack(object);
    Py_CLEAR(owner->home);
    op_weak_dealloc(object);
}

// The owner's home is a weak reference without a callback, so nothing leads on from it.
static PyType_Slot owner_slots[] = {
    {Py_tp_dealloc, (void *)owner_dealloc},
    {Py_tp_traverse, (void *)op_weak_traverse},
    {0, NULL},
};

static PyType_Spec owner_spec = {
    .name = "outpace._cache.Owner",
    .basicsize = sizeof(op_owner),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = owner_slots,
};

// The callback of all owners: the instance of `object` died. It may come so late that the module's state is gone.
static PyObject *owner_died(PyObject *Py_UNUSED(module), PyObject *object)
{
    if (Py_TYPE(object)->tp_dealloc != owner_dealloc) {
        PyErr_SetString(PyExc_TypeError, "not an owner");
        return NULL;
    }
    op_owner *owner = (op_owner *)(void *)object;
    PyObject *home = op_weak_get(owner->home);
    if (home != NULL) {
        op_store *store = owner->store;
        op_store_lock(store);
        while (owner->first != 0) {
            op_store_remove(store, op_key_tail(owner->first)->slot);
        }
        op_store_unlock(store);
        Py_DECREF(home);
    }
    Py_RETURN_NONE;
}

static PyMethodDef owner_died_method = {"owner_died", owner_died, METH_O, NULL};

int op_owner_ready(PyObject *module, op_module *state)
{
    state->owner_type = op_weak_type(module, &owner_spec);
    state->owner_died = state->owner_type == NULL ? NULL : PyCFunction_New(&owner_died_method, module);
    return state->owner_died == NULL ? -1 : 0;
}

// ---- the keys of an instance ------------------------------------------------------------------------------------------

void op_owner_add(op_owner *owner, op_key key, uint32_t slot)
{
    op_tail *tail = op_key_tail(key);
    op_owners *owners = owner->store->owners;
    *tail = (op_tail){.owner = (op_owner *)Py_NewRef((PyObject *)owner), .next = owner->first, .slot = slot};
    if (owner->first != 0) {
        op_key_tail(owner->first)->previous = key;
    } else if (op_weaks_find(&owners->weaks, owner->weak.address) == NULL) {
        // Without memory for its place the owner is not found again: the next key of its instance gets another one.
        // So it is where two threads made one each.
        (void)op_weaks_add(&owners->weaks, &owner->weak);
    }
    owner->first = key;
}

void op_owner_remove(op_key key)
{
    op_tail *tail = op_key_tail(key);
    op_owner *owner = tail->owner;
    if (tail->next != 0) {
        op_key_tail(tail->next)->previous = tail->previous;
    }
    if (tail->previous != 0) {
        op_key_tail(tail->previous)->next = tail->next;
    } else {
        owner->first = tail->next;
    }
    tail->previous = tail->next = 0;
    if (owner->first == 0) {
        (void)op_weaks_remove(&owner->store->owners->weaks, &owner->weak);
    }
}

// ---- finding and making -----------------------------------------------------------------------------------------------

// Under the lock: removes the entries of an owner that was cut from its instance without a callback.
static void purge(op_store *store, op_owner *owner)
{
    while (owner->first != 0) {
        op_store_remove(store, op_key_tail(owner->first)->slot);
    }
}

// Under the lock: the owner of `self`, borrowed, or NULL. An owner of what was at that address before is purged.
static op_owner *find(op_store *store, PyObject *self)
{
    op_owner *owner = (op_owner *)op_weaks_find(&store->owners->weaks, self);
    if (owner != NULL && !op_weak_is(&owner->weak, self)) {
        purge(store, owner);
        owner = NULL;
    }
    return owner;
}

static op_owner *make(op_store *store, PyObject *home, op_module *state, PyObject *self)
{
    op_owner *owner = (op_owner *)op_weak_new(state->owner_type, self, state->owner_died);
    if (owner == NULL) {
        return NULL;
    }
    owner->store = store;
    owner->home = PyWeakref_NewRef(home, NULL);
    if (owner->home == NULL) {
        Py_DECREF((PyObject *)owner);
        return NULL;
    }
    return owner;
}

op_owner *op_owner_get(op_store *store, PyObject *home, op_module *state, PyObject *self)
{
    op_store_lock(store);
    if (store->owners == NULL) {
        store->owners = PyMem_Calloc(1, sizeof *store->owners);
    }
    bool ready = store->owners != NULL;
    op_owner *owner = ready ? find(store, self) : NULL;
    Py_XINCREF((PyObject *)owner);
    op_store_unlock(store);
    if (!ready) {
        PyErr_NoMemory();
        return NULL;
    }
    if (owner != NULL) {
        return owner;
    }
    op_owner *made = make(store, home, state, self);
    if (made == NULL) {
        return NULL;
    }
    op_store_lock(store);
    op_weak *cut = op_weaks_find_cut(&store->owners->weaks);
    if (cut != NULL) {
        purge(store, (op_owner *)cut);
    }
    owner = find(store, self);   // the other thread's, or that of what the collector called meanwhile
    Py_XINCREF((PyObject *)owner);
    op_store_unlock(store);
    if (owner == NULL) {
        return made;
    }
    Py_DECREF((PyObject *)made);
    return owner;
}

void op_owners_fini(op_store *store)
{
    if (store->owners != NULL) {
        op_weaks_fini(&store->owners->weaks);
        PyMem_Free(store->owners);
        store->owners = NULL;
    }
}
