/* What native code can ask of the kernel without the C library's help. Each answers 0 where it got through, otherwise
   the error number. They are harmless where they succeed. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static long raw(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#endif
}

/* syscall(number, six arguments) -> result, negative error numbers included */
static PyObject *syscall_(PyObject *self, PyObject *args) {
    long n, a, b, c, d, e, f;
    if (!PyArg_ParseTuple(args, "lllllll", &n, &a, &b, &c, &d, &e, &f)) return NULL;
    return PyLong_FromLong(raw(n, a, b, c, d, e, f));
}

/* open(path, flags) -> descriptor or negative error number */
static PyObject *open_(PyObject *self, PyObject *args) {
    const char *path;
    int flags;
    if (!PyArg_ParseTuple(args, "si", &path, &flags)) return NULL;
    return PyLong_FromLong(raw(SYS_openat, AT_FDCWD, (long)path, flags, 0600, 0, 0));
}

/* exec(path) -> negative error number, or never */
static PyObject *exec_(PyObject *self, PyObject *args) {
    const char *path;
    char *const none[] = {NULL};
    if (!PyArg_ParseTuple(args, "s", &path)) return NULL;
    return PyLong_FromLong(raw(SYS_execve, (long)path, (long)none, (long)none, 0, 0, 0));
}

/* map(descriptor, protection, flags) -> 0, or a negative error number */
static PyObject *map_(PyObject *self, PyObject *args) {
    int descriptor, protection, flags;
    if (!PyArg_ParseTuple(args, "iii", &descriptor, &protection, &flags)) return NULL;
    long result = raw(SYS_mmap, 0, 4096, protection, flags, descriptor, 0);
    return PyLong_FromLong(result < 0 && result > -4096 ? result : 0);
}

/* rewrite() -> tries to make its own code writable and executable again: results of both steps */
static PyObject *rewrite(PyObject *self, PyObject *args) {
    long page = (long)&raw & ~4095L;
    long both = raw(SYS_mprotect, page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, 0, 0, 0);
    long copy = raw(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(volatile unsigned char *)copy = 0xc3;
    long run = raw(SYS_mprotect, copy, 4096, PROT_READ | PROT_EXEC, 0, 0, 0);
    return Py_BuildValue("ll", both, run);
}

/* old() -> getpid by the 32-bit gate, whose numbers mean other calls */
static PyObject *old(PyObject *self, PyObject *args) {
#if defined(__x86_64__)
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
    return PyLong_FromLong(result);
#else
    return PyLong_FromLong(-ENOSYS);
#endif
}

/* grow(bytes) -> how many of them it got, touched page by page */
static PyObject *grow(PyObject *self, PyObject *args) {
    long size, got = 0;
    if (!PyArg_ParseTuple(args, "l", &size)) return NULL;
    for (long piece = 1L << 20; got < size; got += piece) {
        long at = raw(SYS_mmap, 0, piece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at < 0 && at > -4096) break;
        for (long byte = 0; byte < piece; byte += 4096) ((volatile char *)at)[byte] = 1;
    }
    return PyLong_FromLong(got);
}

static PyMethodDef methods[] = {
    {"syscall", syscall_, METH_VARARGS, NULL}, {"open", open_, METH_VARARGS, NULL},
    {"exec", exec_, METH_VARARGS, NULL},       {"map", map_, METH_VARARGS, NULL},
    {"rewrite", rewrite, METH_NOARGS, NULL},   {"old", old, METH_NOARGS, NULL},
    {"grow", grow, METH_VARARGS, NULL},        {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "hostile_native", NULL, -1, methods};

/* It runs as soon as the file is loaded, before Python has a word in it. */
__attribute__((constructor)) static void at_load(void) {
    raw(SYS_socket, 2, 1, 0, 0, 0, 0);
    raw(SYS_kill, -1, 0, 0, 0, 0, 0);
}

PyMODINIT_FUNC PyInit_hostile_native(void) { return PyModule_Create(&module); }
