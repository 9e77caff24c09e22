/* Calls that must fail, one line each: label|code|message. Then a good one, with arrays that must be as they were. */

#include <complex.h>
#include <math.h>
#include <negfadj.h>
#include <stdio.h>
#include <string.h>

static void try(const char *label, int code)
{
    char message[4096] = "";
    if (code != NEGFADJ_OK)
        negfadj_last_error(message, sizeof message);
    printf("%s|%d|%s\n", label, code, message);
}

int main(void)
{
    int sizes[2] = {2, 1}, zero_size[2] = {2, 0}, lead = -7;
    double complex diagonal[5] = {0.1, 0.2 * I, -0.2 * I, 0.3, 0.4}, upper[2] = {-1, 0.5};
    double complex skew[5] = {0.1, 0.2 * I, 0.2 * I, 0.3, 0.4}, with_nan[5] = {0.1, 0.2 * I, -0.2 * I, NAN, 0.4};
    double complex negative[5] = {1, 2, 2, 1, 1}, none[2] = {0, 0};
    double complex onsite[4] = {0}, hopping[4] = {-1, 0, 0, -1}, one_onsite[1] = {0}, one_hopping[1] = {-1};
    double energies[2] = {0.1, 0.2}, bad_energies[2] = {0.1, INFINITY}, values[3] = {7, 7, 7}, many[6], edge = 2.0;
    double weights[2] = {1, 1}, bad_weights[2] = {1, NAN}, bias = 0.1, shift;
    negfadj_device device = NULL, freed, other;
    negfadj_result result = NULL, freed_result;
    char small[8];
    size_t length;

    printf("before|%zu\n", negfadj_last_error(NULL, 0));
    try("sizes NULL", negfadj_device_create(2, NULL, 0, 5, diagonal, 2, upper, &device));
    try("no sizes", negfadj_device_create(0, sizes, 0, 5, diagonal, 2, upper, &device));
    try("size 0", negfadj_device_create(2, zero_size, 0, 5, diagonal, 2, upper, &device));
    try("layout", negfadj_device_create(2, sizes, 5, 5, diagonal, 2, upper, &device));
    try("diagonal NULL", negfadj_device_create(2, sizes, 0, 5, NULL, 2, upper, &device));
    try("diagonal length", negfadj_device_create(2, sizes, 0, 4, diagonal, 2, upper, &device));
    try("negative length", negfadj_device_create(2, sizes, 0, -5, diagonal, 2, upper, &device));
    try("upper NULL", negfadj_device_create(2, sizes, 0, 5, diagonal, 0, NULL, &device));
    try("NaN", negfadj_device_create(2, sizes, 0, 5, with_nan, 2, upper, &device));
    try("not Hermitian", negfadj_device_create(2, sizes, 0, 5, skew, 2, upper, &device));
    try("handle out NULL", negfadj_device_create(2, sizes, 0, 5, diagonal, 2, upper, NULL));
    printf("untouched handle|%d\n", device == NULL);

    try("device NULL", negfadj_transmission(NULL, 0, 1, 2, energies, 2, values));
    try("no handle", negfadj_transmission((negfadj_device)&sizes, 0, 1, 2, energies, 2, values));
    try("good device", negfadj_device_create(2, sizes, 0, 5, diagonal, 2, upper, &device));
    try("no leads", negfadj_transmission(device, 0, 1, 2, energies, 2, values));
    try("block", negfadj_device_add_lead(device, 2, 2, 4, onsite, 4, hopping, 0, NULL, 0.0, &lead));
    try("lead orbitals", negfadj_device_add_lead(device, 0, 0, 4, onsite, 4, hopping, 0, NULL, 0.0, &lead));
    try("onsite length", negfadj_device_add_lead(device, 0, 2, 3, onsite, 4, hopping, 0, NULL, 0.0, &lead));
    try("coupling default", negfadj_device_add_lead(device, 1, 2, 4, onsite, 4, hopping, 0, NULL, 0.0, &lead));
    try("lead energy", negfadj_device_add_lead(device, 0, 2, 4, onsite, 4, hopping, 0, NULL, NAN, &lead));
    try("no hopping", negfadj_device_add_lead(device, 1, 1, 1, none, 1, none, 0, NULL, 0.0, &lead));
    try("lead out NULL", negfadj_device_add_lead(device, 0, 2, 4, onsite, 4, hopping, 0, NULL, 0.0, NULL));
    try("set lead, none", negfadj_device_set_lead(device, 0, 0, NULL, 0, NULL, 0, NULL, 0.0));
    printf("untouched lead|%d\n", lead == -7);
    try("good lead 0", negfadj_device_add_lead(device, 0, 2, 4, onsite, 4, hopping, 0, NULL, 0.0, &lead));
    try("one lead", negfadj_transmission(device, 0, 1, 2, energies, 2, values));
    try("good lead 1", negfadj_device_add_lead(device, -1, 1, 1, one_onsite, 1, one_hopping, 0, NULL, 0.0, &lead));
    try("set lead", negfadj_device_set_lead(device, 2, 0, NULL, 0, NULL, 0, NULL, 0.0));
    try("overlap", negfadj_device_set_overlap(device, 5, negative, 2, none));
    try("broadening", negfadj_device_set_broadening(device, -1e-6, 0));
    try("same lead", negfadj_transmission(device, 1, 1, 2, energies, 2, values));
    try("no drain", negfadj_transmission(device, 0, 9, 2, energies, 2, values));
    try("energies NULL", negfadj_transmission(device, 0, 1, 2, NULL, 2, values));
    try("energies infinite", negfadj_transmission(device, 0, 1, 2, bad_energies, 2, values));
    try("no energies", negfadj_transmission(device, 0, 1, 0, energies, 0, values));
    try("value length", negfadj_transmission(device, 0, 1, 2, energies, 3, values));
    try("value NULL", negfadj_transmission(device, 0, 1, 2, energies, 2, NULL));
    try("band edge", negfadj_transmission(device, 0, 1, 1, &edge, 1, values));
    try("density length", negfadj_local_density_of_states(device, 2, energies, 5, many));
    try("temperature", negfadj_current(device, 0, 1, -1.0, 0.0, 1, &bias, 1, values));
    printf("untouched values|%d\n", values[0] == 7 && values[1] == 7 && values[2] == 7);
    length = negfadj_last_error(small, sizeof small);
    printf("cut message|%d|%s\n", length > strlen(small), small);

    try("good result", negfadj_transmission_vjp(device, 0, 1, 2, energies, 2, values, &result));
    try("gradient too early", negfadj_gradient_energies(result, 2, many));
    try("value_bar length", negfadj_pullback(result, 1, weights));
    try("value_bar NaN", negfadj_pullback(result, 2, bad_weights));
    try("good pullback", negfadj_pullback(result, 2, weights));
    try("no overlap", negfadj_gradient_overlap(result, 5, diagonal, 0, NULL));
    try("no lead", negfadj_gradient_lead(result, 2, 0, NULL, 0, NULL, 0, NULL, &shift));
    try("no lead overlap", negfadj_gradient_lead_overlap(result, 0, 0, NULL, 0, NULL, 0, NULL));
    try("no bias", negfadj_gradient_bias(result, 1, many, &shift));
    try("gradient length", negfadj_gradient_blocks(result, 4, diagonal, 0, NULL));
    try("result as device", negfadj_transmission((negfadj_device)result, 0, 1, 2, energies, 2, values));
    try("device as result", negfadj_pullback((negfadj_result)device, 2, weights));
    freed_result = result;
    try("good free", negfadj_result_free(result));
    try("freed result", negfadj_pullback(freed_result, 2, weights));
    freed = device;
    try("good free", negfadj_device_free(device));
    try("freed device", negfadj_transmission(freed, 0, 1, 2, energies, 2, values));
    try("freed twice", negfadj_device_free(freed));
    try("good device", negfadj_device_create(2, sizes, 0, 5, diagonal, 2, upper, &other));
    printf("never used twice|%d\n", other != freed);
    printf("as they were|%d\n", diagonal[1] == 0.2 * I && upper[1] == 0.5 && energies[1] == 0.2 && weights[0] == 1);
    return 0;
}
