/* T(E) of a wire of two chains with a barrier, and its gradient by the on-site energies, checked by a difference.

   python -m negfadj.embedding.build_c_library --output build/c
   cc examples/c/transmission.c -o build/c/transmission $(PKG_CONFIG_PATH=build/c pkg-config --cflags --libs negfadj) -lm
   build/c/transmission

   or: make -C examples/c                                                        Energies in eV. */

#include <complex.h>
#include <math.h>
#include <negfadj.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCKS = 6, CHAINS = 2, SIZE = CHAINS * CHAINS, ENERGIES = 5 };

static void check(int code)
{
    char message[1024];
    if (code == NEGFADJ_OK)
        return;
    negfadj_last_error(message, sizeof message);
    fprintf(stderr, "negfadj error %d: %s\n", code, message);
    exit(1);
}

/* The diagonal blocks: a barrier in the middle, and a hopping between the chains. */
static void set_diagonal(double barrier, double complex diagonal[BLOCKS][CHAINS][CHAINS])
{
    for (int i = 0; i < BLOCKS; i++)
        for (int a = 0; a < CHAINS; a++)
            for (int b = 0; b < CHAINS; b++)
                diagonal[i][a][b] = a != b ? 0.3 * I * (b - a) : i == 2 || i == 3 ? barrier : 0.1;
}

int main(void)
{
    double complex diagonal[BLOCKS][CHAINS][CHAINS], upper[BLOCKS - 1][CHAINS][CHAINS] = {0};
    double complex by_block[BLOCKS][CHAINS][CHAINS];
    double complex onsite[CHAINS][CHAINS] = {0}, hopping[CHAINS][CHAINS] = {{-1.0, 0}, {0, -1.0}};
    double energies[ENERGIES] = {-0.9, -0.4, 0.1, 0.6, 1.1}, transmission[ENERGIES], moved[2][ENERGIES];
    double weights[ENERGIES] = {1, 1, 1, 1, 1}, by_energy[ENERGIES], step = 1e-5, by_barrier = 0, difference = 0;
    int sizes[BLOCKS] = {CHAINS, CHAINS, CHAINS, CHAINS, CHAINS, CHAINS}, lead;
    negfadj_device device;
    negfadj_result result;

    for (int i = 0; i < BLOCKS - 1; i++)
        upper[i][0][0] = upper[i][1][1] = -1.0;
    set_diagonal(0.8, diagonal);
    check(negfadj_device_create(BLOCKS, sizes, NEGFADJ_ROW_MAJOR, BLOCKS * SIZE, &diagonal[0][0][0],
                                (BLOCKS - 1) * SIZE, &upper[0][0][0], &device));
    for (int block = 0; block >= -1; block--) /* one lead at the first block, one at the last */
        check(negfadj_device_add_lead(device, block, CHAINS, SIZE, &onsite[0][0], SIZE, &hopping[0][0],
                                      0, NULL, 0.0, &lead));

    check(negfadj_transmission_vjp(device, 0, 1, ENERGIES, energies, ENERGIES, transmission, &result));
    check(negfadj_pullback(result, ENERGIES, weights));
    check(negfadj_gradient_blocks(result, BLOCKS * SIZE, &by_block[0][0][0], 0, NULL));
    check(negfadj_gradient_energies(result, ENERGIES, by_energy));
    check(negfadj_result_free(result));
    for (int i = 2; i <= 3; i++)
        by_barrier += creal(by_block[i][0][0] + by_block[i][1][1]);

    for (int k = 0; k < 2; k++) { /* the same device with other numbers, as in a loop of the host */
        set_diagonal(0.8 + (k ? -step : step), diagonal);
        check(negfadj_device_set_blocks(device, BLOCKS * SIZE, &diagonal[0][0][0], 0, NULL));
        check(negfadj_transmission(device, 0, 1, ENERGIES, energies, ENERGIES, moved[k]));
    }
    check(negfadj_device_free(device));

    printf("  E (eV)         T(E)      dT/dE (1/eV)\n");
    for (int e = 0; e < ENERGIES; e++) {
        printf("%8.2f  %.17g  %.17g\n", energies[e], transmission[e], by_energy[e]);
        difference += (moved[0][e] - moved[1][e]) / (2 * step);
    }
    printf("d(sum T)/d(barrier) = %.17g, by a difference %.10f\n", by_barrier, difference);
    return fabs(by_barrier - difference) < 1e-7 ? 0 : 1;
}
