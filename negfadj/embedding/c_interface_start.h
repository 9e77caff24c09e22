/* How libnegfadj.so starts Python: once, on the first call, without printing and without ending the program.

   Included into the library's own source, after Python.h. It needs NEGFADJ_PYTHON_BUILT_FOR, the path of the interpreter
   whose environment is used unless the variable NEGFADJ_PYTHON names another. */

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define NEGFADJ_MESSAGE_CAPACITY 4096

static int cffi_start_python(void);

static __thread char negfadj_message[NEGFADJ_MESSAGE_CAPACITY];

static pthread_mutex_t negfadj_start_lock = PTHREAD_MUTEX_INITIALIZER;
static int negfadj_started; /* 0 not yet, 1 yes, −1 failed */
static char negfadj_start_message[NEGFADJ_MESSAGE_CAPACITY];

static void negfadj_fail_start(const char *what, const char *value, const char *fix)
{
    snprintf(negfadj_start_message, sizeof negfadj_start_message, "%s%s; %s", what, value, fix);
}

/* Extension modules look for Python's functions among the global symbols: bring them there even if the host opened
   this library for itself only (dlopen with RTLD_LOCAL). */
static void negfadj_publish_python(void)
{
    Dl_info found;
    if (dladdr((void *)&Py_InitializeFromConfig, &found) && found.dli_fname)
        dlopen(found.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_GLOBAL);
}

static int negfadj_start_interpreter(void)
{
    const char *path = getenv("NEGFADJ_PYTHON");
    PyPreConfig before;
    PyConfig config;
    PyStatus status;

    if (!path || !*path)
        path = NEGFADJ_PYTHON_BUILT_FOR;
    if (access(path, X_OK) != 0) {
        negfadj_fail_start("there is no Python interpreter at ", path,
                           "set NEGFADJ_PYTHON to the path of one that can import negfadj, such as venv/bin/python.");
        return -1;
    }
    /* isolated: PYTHONPATH, PYTHONHOME and the user's own packages are the host's business, not ours */
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1;
    status = Py_PreInitialize(&before);
    if (!PyStatus_Exception(status)) {
        PyConfig_InitIsolatedConfig(&config);
        config.install_signal_handlers = 0;
        status = PyConfig_SetBytesString(&config, &config.program_name, path);
        if (!PyStatus_Exception(status))
            status = PyConfig_SetBytesString(&config, &config.executable, path);
        if (!PyStatus_Exception(status))
            status = PyWideStringList_Append(&config.warnoptions, L"ignore"); /* nothing on the host's screen */
        if (!PyStatus_Exception(status))
            status = Py_InitializeFromConfig(&config);
        PyConfig_Clear(&config);
    }
    if (PyStatus_Exception(status)) {
        negfadj_fail_start("Python cannot be started: ", status.err_msg ? status.err_msg : "no reason given",
                           "set NEGFADJ_PYTHON to the path of an interpreter that can import negfadj.");
        return -1;
    }
    PyEval_SaveThread();
    return 0;
}

/* cffi prints where its own module is missing: look for it first. */
static int negfadj_find_cffi(void)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *module = PyImport_ImportModule("_cffi_backend");
    int result = module ? 0 : -1;

    Py_XDECREF(module);
    PyErr_Clear();
    PyGILState_Release(state);
    if (result != 0)
        negfadj_fail_start("Python cannot import ", "cffi",
                           "pip install \"negfadj[doors]\" there, or set NEGFADJ_PYTHON to the path of an interpreter "
                           "that has it.");
    return result;
}

static int negfadj_start(void)
{
    pthread_mutex_lock(&negfadj_start_lock);
    if (negfadj_started == 0) {
        negfadj_publish_python();
        negfadj_started = -1;
        if ((Py_IsInitialized() || negfadj_start_interpreter() == 0) && negfadj_find_cffi() == 0) {
            if (cffi_start_python() == 0)
                negfadj_started = 1;
            else
                negfadj_fail_start("Python's side of the library cannot be started", "", "build it again.");
        }
    }
    pthread_mutex_unlock(&negfadj_start_lock);
    if (negfadj_started < 0)
        memcpy(negfadj_message, negfadj_start_message, sizeof negfadj_message);
    return negfadj_started > 0;
}

const char *negfadj_version(void)
{
    return NEGFADJ_VERSION;
}

size_t negfadj_last_error(char *message, size_t capacity)
{
    size_t length = strlen(negfadj_message);
    size_t copied = capacity == 0 ? 0 : length < capacity ? length : capacity - 1;

    if (message && capacity > 0) {
        memcpy(message, negfadj_message, copied);
        message[copied] = '\0';
    }
    return length;
}
