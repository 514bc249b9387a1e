/* An honest extension on a library of its own wheel. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

long sum_of(long left, long right);

static PyObject *add(PyObject *self, PyObject *args) {
    long left, right;
    if (!PyArg_ParseTuple(args, "ll", &left, &right)) return NULL;
    return PyLong_FromLong(sum_of(left, right));
}

static PyMethodDef methods[] = {{"add", add, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_adder", NULL, -1, methods};

PyMODINIT_FUNC PyInit__adder(void) { return PyModule_Create(&module); }
