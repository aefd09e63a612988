// SPDX-License-Identifier: MIT
#include "agent/hot.h"

#include <errno.h>
#include <fcntl.h>
#include <frameobject.h>   // 3.10 declares PyFrame_GetBack there
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_NS = 20 * 1000 * 1000, MOST_BYTES = 1 << 16 };

// One a process: it lives as long as the process does.
static struct {
    op_line_profiler *profiler;   // owned
    char path[4096];
    char text[MOST_BYTES];
} awaited;

// The file's text; false: not there yet, or not ours.
static bool read_choices(void)
{
    struct stat info;
    int fd = open(awaited.path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool good = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid();
    ssize_t bytes = good ? read(fd, awaited.text, sizeof awaited.text - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    if (bytes > 0) {
        awaited.text[bytes] = '\0';
    }
    return bytes > 0;
}

// [(file, name), ...]
static PyObject *choices_of_text(void)
{
    PyObject *choices = PyList_New(0);
    for (char *line = awaited.text, *end; choices != NULL && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        char *tab = strchr(line, '\t');
        if (tab != NULL) {
            *tab = '\0';
            PyObject *item = Py_BuildValue("(ss)", tab + 1, line);
            if (item == NULL || PyList_Append(choices, item) != 0) {
                Py_CLEAR(choices);
            }
            Py_XDECREF(item);
        }
    }
    return choices;
}

// What is on a stack now may never be called again: the loop of a program.
static int add_running(op_line_profiler *self)
{
    int status = 0;
    PyThreadState *state = PyInterpreterState_ThreadHead(PyThreadState_Get()->interp);
    for (; state != NULL && status == 0; state = PyThreadState_Next(state)) {
        PyFrameObject *frame = PyThreadState_GetFrame(state);
        while (frame != NULL && status == 0) {
            PyCodeObject *code = PyFrame_GetCode(frame);
            if (op_line_profiler_chooses(self, code)) {
                status = op_line_profiler_add(self, (PyObject *)code);
            }
            Py_DECREF(code);
            PyFrameObject *back = PyFrame_GetBack(frame);
            Py_DECREF(frame);
            frame = back;
        }
        Py_XDECREF(frame);
    }
    return status;
}

static void choose(void)
{
    PyObject *choices = choices_of_text();
    PyObject *done = choices != NULL ? PyObject_CallMethod((PyObject *)awaited.profiler, "select", "O", choices)
                                     : NULL;
    if (done == NULL || add_running(awaited.profiler) != 0) {
        PyErr_WriteUnraisable((PyObject *)awaited.profiler);
    }
    Py_XDECREF(choices);
    Py_XDECREF(done);
}

static void *wait_for_file(void *unused)
{
    (void)unused;
    const struct timespec pause = {0, LOOK_NS};
    while (!read_choices()) {
        nanosleep(&pause, NULL);
    }
    // Not Py_AddPendingCall: before 3.13 a thread that computes does not notice one that another thread added.
    if (!Py_IsInitialized()) {
        return NULL;   // it came too late
    }
    PyGILState_STATE state = PyGILState_Ensure();
    choose();
    PyGILState_Release(state);
    return NULL;
}

PyObject *op_hot_await(PyObject *self, PyObject *path)
{
    PyObject *bytes;
    if (PyUnicode_FSConverter(path, &bytes) == 0) {
        return NULL;
    }
    if (awaited.profiler != NULL || (size_t)PyBytes_GET_SIZE(bytes) >= sizeof awaited.path) {
        PyErr_SetString(PyExc_ValueError,
                        awaited.profiler != NULL ? "choices are awaited already" : "the path is too long");
        Py_DECREF(bytes);
        return NULL;
    }
    memcpy(awaited.path, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes) + 1);
    Py_DECREF(bytes);
    awaited.profiler = (op_line_profiler *)Py_NewRef(self);
    sigset_t all, before;
    sigfillset(&all);   // signals are for the program's threads
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int error = pthread_create(&thread, NULL, wait_for_file, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        Py_CLEAR(awaited.profiler);
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    pthread_detach(thread);
    Py_RETURN_NONE;
}
