/* Two threads, the first calls of the program among them: each its own device and result, one device shared.

   Opened by dlopen for this program only, as hosts with plug-ins do. argv[1]: the library. */

#include <dlfcn.h>
#include <negfadj.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { ENERGIES = 40, ROUNDS = 6 };

static __typeof__(negfadj_device_create) *device_create;
static __typeof__(negfadj_device_add_lead) *device_add_lead;
static __typeof__(negfadj_transmission_vjp) *transmission_vjp;
static __typeof__(negfadj_pullback_onsite) *pullback_onsite;
static __typeof__(negfadj_result_free) *result_free;
static __typeof__(negfadj_last_error) *last_error;

static struct work {
    double level, transmission[ENERGIES], onsite[3];
    int code;
    char message[1024];
} works[2] = {{.level = 0.3}, {.level = -0.7}};

static void *run(void *given)
{
    struct work *work = given;
    int sizes[3] = {1, 1, 1}, lead;
    negfadj_complex diagonal[3] = {0.0, work->level, 0.1}, upper[2] = {-1.0, -1.0}, onsite = 0.0, hopping = -1.0;
    double energies[ENERGIES], weights[ENERGIES];
    negfadj_device device;
    negfadj_result result;

    for (int e = 0; e < ENERGIES; e++) {
        energies[e] = -1.5 + 0.07 * e;
        weights[e] = 1.0;
    }
    for (int round = 0; round < ROUNDS && work->code == 0; round++) {
        work->code |= device_create(3, sizes, NEGFADJ_ROW_MAJOR, 3, diagonal, 2, upper, &device);
        work->code |= device_add_lead(device, 0, 1, 1, &onsite, 1, &hopping, 0, NULL, 0.0, &lead);
        work->code |= device_add_lead(device, -1, 1, 1, &onsite, 1, &hopping, 0, NULL, 0.0, &lead);
        work->code |= transmission_vjp(device, 0, 1, ENERGIES, energies, ENERGIES, work->transmission, &result);
        work->code |= pullback_onsite(result, ENERGIES, weights, 3, work->onsite);
        work->code |= result_free(result);
    }
    if (work->level > 0) /* only this thread has an error to tell */
        result_free(result);
    last_error(work->message, sizeof work->message);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[2];
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;

    if (!library) {
        printf("%s\n", argc > 1 ? dlerror() : "no library given");
        return 1;
    }
    device_create = dlsym(library, "negfadj_device_create");
    device_add_lead = dlsym(library, "negfadj_device_add_lead");
    transmission_vjp = dlsym(library, "negfadj_transmission_vjp");
    pullback_onsite = dlsym(library, "negfadj_pullback_onsite");
    result_free = dlsym(library, "negfadj_result_free");
    last_error = dlsym(library, "negfadj_last_error");
    for (int k = 0; k < 2; k++)
        pthread_create(&threads[k], NULL, run, &works[k]);
    for (int k = 0; k < 2; k++)
        pthread_join(threads[k], NULL);
    for (int k = 0; k < 2; k++) {
        printf("%d|%s\n", works[k].code, works[k].message);
        for (int e = 0; e < ENERGIES; e++)
            printf("%.17g ", works[k].transmission[e]);
        printf("\n%.17g %.17g %.17g\n", works[k].onsite[0], works[k].onsite[1], works[k].onsite[2]);
    }
    printf("main|%zu\n", last_error(NULL, 0)); /* the message of a thread that made no mistake, after another did */
    return 0;
}
