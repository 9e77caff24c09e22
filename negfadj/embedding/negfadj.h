/* negfadj: quantum transport with gradients, for C, C++ and Fortran programs.

   Energies in eV, bias in V, temperature in K, current in µA; signs and normalisations in docs/conventions.md, how to
   build and call in docs/guide-c-fortran.md.

   Every function that returns int returns 0 (NEGFADJ_OK) or an error code; negfadj_last_error() has the message. Nothing
   is printed, nothing ends the program. Arrays handed in are copied, never kept, never changed. Arrays and numbers
   handed out are written only when the function returns 0.

   In front of every array stands its length: the number of entries, not of bytes. Where a comment gives a shape
   (a, b), it is a matrix with a rows and b columns in the layout of the device. NEGFADJ_OPTIONAL arrays may be NULL; their
   length is then not read.

   Any thread may call; calls wait for each other. */

#ifndef NEGFADJ_H
#define NEGFADJ_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#include <complex>
typedef std::complex<double> negfadj_complex;
extern "C" {
#else
typedef double _Complex negfadj_complex; /* real and imaginary part, one after the other */
#endif

#define NEGFADJ_API __attribute__((visibility("default")))
#define NEGFADJ_OPTIONAL

/* Error codes. */
enum {
    NEGFADJ_OK = 0,
    NEGFADJ_ERROR_INPUT = 1,       /* a value without meaning, a NULL pointer, not a number */
    NEGFADJ_ERROR_SHAPE = 2,       /* a length that does not fit */
    NEGFADJ_ERROR_HERMITICITY = 3, /* a block that must be Hermitian is not */
    NEGFADJ_ERROR_HANDLE = 4,      /* a handle that is NULL, freed, or of the other kind */
    NEGFADJ_ERROR_CONVERGENCE = 5, /* an energy on a band edge or on a bound state; an integral with too many energies */
    NEGFADJ_ERROR_MEMORY = 6,
    NEGFADJ_ERROR_ENVIRONMENT = 7, /* Python or one of its packages cannot be used */
    NEGFADJ_ERROR_INTERNAL = 8     /* a fault of negfadj; the message says which */
};

/* Layout of matrices. */
enum {
    NEGFADJ_ROW_MAJOR = 0,   /* C */
    NEGFADJ_COLUMN_MAJOR = 1 /* Fortran */
};

/* Handles. They are numbers behind an opaque type; one that was freed is recognised. */
typedef struct negfadj_device_handle *negfadj_device;
typedef struct negfadj_result_handle *negfadj_result;

/* Version of negfadj this library was built from, as "0.1.0". */
NEGFADJ_API const char *negfadj_version(void);

/* Copy the message of this thread's last call that failed, at most `capacity` bytes with the closing zero. Returns the
   bytes of the whole message without it: 0 when no call has failed yet. UTF-8. */
NEGFADJ_API size_t negfadj_last_error(char *message, size_t capacity);

/* Start Python now and not at the first call: it takes a second or two. */
NEGFADJ_API int negfadj_initialise(void);

/* ---- device ---- */

/* A device of blocks 0 … n_blocks − 1. `diagonal` has the blocks <i|H|i> (n_i, n_i), Hermitian, one after the other;
   `upper` the blocks <i|H|i+1> (n_i, n_{i+1}); blocks below are their adjoints. [eV] One block has no `upper`: NULL. */
NEGFADJ_API int negfadj_device_create(int64_t block_sizes_length, const int block_sizes[], int layout,
                                      int64_t diagonal_length, const negfadj_complex diagonal[],
                                      int64_t upper_length, NEGFADJ_OPTIONAL const negfadj_complex upper[],
                                      negfadj_device *device);

/* New numbers in blocks of the same sizes; NULL leaves the old ones. */
NEGFADJ_API int negfadj_device_set_blocks(negfadj_device device,
                                          int64_t diagonal_length, NEGFADJ_OPTIONAL const negfadj_complex diagonal[],
                                          int64_t upper_length, NEGFADJ_OPTIONAL const negfadj_complex upper[]);

/* Overlap matrix S in the same blocks; before this call the basis is orthogonal, S = 1. */
NEGFADJ_API int negfadj_device_set_overlap(negfadj_device device,
                                           int64_t diagonal_length, const negfadj_complex diagonal[],
                                           int64_t upper_length, NEGFADJ_OPTIONAL const negfadj_complex upper[]);

/* A semi-infinite lead at `block` (−1: the last), n = n_orbitals a cell. onsite = <cell j|H|cell j> (n, n); hopping =
   <cell j|H|cell j+1> (n, n), j growing away from the device; coupling = <device block|H|cell 0> (n_block, n), NULL: the
   hopping. potential_energy [eV] shifts the whole lead. `lead` is its number: 0, 1, … */
NEGFADJ_API int negfadj_device_add_lead(negfadj_device device, int block, int n_orbitals,
                                        int64_t onsite_length, const negfadj_complex onsite[],
                                        int64_t hopping_length, const negfadj_complex hopping[],
                                        int64_t coupling_length, NEGFADJ_OPTIONAL const negfadj_complex coupling[],
                                        double potential_energy, int *lead);

/* New numbers in a lead; NULL leaves the old ones, the coupling too. */
NEGFADJ_API int negfadj_device_set_lead(negfadj_device device, int lead,
                                        int64_t onsite_length, NEGFADJ_OPTIONAL const negfadj_complex onsite[],
                                        int64_t hopping_length, NEGFADJ_OPTIONAL const negfadj_complex hopping[],
                                        int64_t coupling_length, NEGFADJ_OPTIONAL const negfadj_complex coupling[],
                                        double potential_energy);

/* Overlaps of a lead, shaped as its three blocks; hopping and coupling NULL: zero. */
NEGFADJ_API int negfadj_device_set_lead_overlap(negfadj_device device, int lead,
                                                int64_t onsite_length, const negfadj_complex onsite[],
                                                int64_t hopping_length, NEGFADJ_OPTIONAL const negfadj_complex hopping[],
                                                int64_t coupling_length,
                                                NEGFADJ_OPTIONAL const negfadj_complex coupling[]);

/* Broadenings [eV] of the leads and of the device, both 0 before this call. */
NEGFADJ_API int negfadj_device_set_broadening(negfadj_device device, double eta, double device_eta);

NEGFADJ_API int negfadj_device_count_bonds(negfadj_device device, int64_t *n_bonds);

/* Pairs of orbitals joined by an entry of H or S, counted from 0, the smaller first: (n_bonds, 2). */
NEGFADJ_API int negfadj_device_bonds(negfadj_device device, int64_t bonds_length, int64_t bonds[]);

NEGFADJ_API int negfadj_device_free(negfadj_device device);

/* ---- observables: values alone, and with a result that gradients are asked of ---- */

/* Transmission from lead `source` into lead `drain`, (n_energies). */
NEGFADJ_API int negfadj_transmission(negfadj_device device, int source, int drain,
                                     int64_t energies_length, const double energies[],
                                     int64_t transmission_length, double transmission[]);
NEGFADJ_API int negfadj_transmission_vjp(negfadj_device device, int source, int drain,
                                         int64_t energies_length, const double energies[],
                                         int64_t transmission_length, double transmission[],
                                         negfadj_result *result);

/* Local density of states [1/eV] per spin, (n_energies, n_orbitals). */
NEGFADJ_API int negfadj_local_density_of_states(negfadj_device device,
                                                int64_t energies_length, const double energies[],
                                                int64_t density_length, double density[]);
NEGFADJ_API int negfadj_local_density_of_states_vjp(negfadj_device device,
                                                    int64_t energies_length, const double energies[],
                                                    int64_t density_length, double density[],
                                                    negfadj_result *result);

/* Flow through every bond (a, b) from b into a, injected by lead `source`, (n_energies, n_bonds). */
NEGFADJ_API int negfadj_bond_current(negfadj_device device, int source,
                                     int64_t energies_length, const double energies[],
                                     int64_t flow_length, double flow[]);
NEGFADJ_API int negfadj_bond_current_vjp(negfadj_device device, int source,
                                         int64_t energies_length, const double energies[],
                                         int64_t flow_length, double flow[],
                                         negfadj_result *result);

/* Landauer current [µA], both spins, at every bias [V]: chemical potentials fermi_energy ± bias/2. (n_biases) */
NEGFADJ_API int negfadj_current(negfadj_device device, int source, int drain, double temperature, double fermi_energy,
                                int64_t biases_length, const double biases[],
                                int64_t current_length, double current[]);
NEGFADJ_API int negfadj_current_vjp(negfadj_device device, int source, int drain, double temperature,
                                    double fermi_energy, int64_t biases_length, const double biases[],
                                    int64_t current_length, double current[],
                                    negfadj_result *result);

/* ---- gradients of a loss L, from value_bar = dL/d(value), shaped as the value ---- */

/* Form all gradients; the negfadj_gradient_* functions then read them. May be called again with another value_bar. A result
   is of the device as it was: neither negfadj_device_set_* nor negfadj_device_free changes it. */
NEGFADJ_API int negfadj_pullback(negfadj_result result, int64_t value_bar_length, const double value_bar[]);

/* Only dL/dH_aa of every orbital (n_orbitals): the gradient by a potential energy, and cheaper. */
NEGFADJ_API int negfadj_pullback_onsite(negfadj_result result, int64_t value_bar_length, const double value_bar[],
                                        int64_t onsite_length, double onsite[]);

/* dL/dRe + i dL/dIm, in the blocks of negfadj_device_create. A diagonal block is Hermitian, so that a pair ab, ba shares
   its derivative, half each; an upper block has the share of the block below too. NULL: not wanted. */
NEGFADJ_API int negfadj_gradient_blocks(negfadj_result result,
                                        int64_t diagonal_length, NEGFADJ_OPTIONAL negfadj_complex diagonal[],
                                        int64_t upper_length, NEGFADJ_OPTIONAL negfadj_complex upper[]);
NEGFADJ_API int negfadj_gradient_overlap(negfadj_result result,
                                         int64_t diagonal_length, NEGFADJ_OPTIONAL negfadj_complex diagonal[],
                                         int64_t upper_length, NEGFADJ_OPTIONAL negfadj_complex upper[]);

/* Where the coupling was left NULL it still has a gradient of its own: add it to the hopping's. */
NEGFADJ_API int negfadj_gradient_lead(negfadj_result result, int lead,
                                      int64_t onsite_length, NEGFADJ_OPTIONAL negfadj_complex onsite[],
                                      int64_t hopping_length, NEGFADJ_OPTIONAL negfadj_complex hopping[],
                                      int64_t coupling_length, NEGFADJ_OPTIONAL negfadj_complex coupling[],
                                      double *potential_energy);
NEGFADJ_API int negfadj_gradient_lead_overlap(negfadj_result result, int lead,
                                              int64_t onsite_length, NEGFADJ_OPTIONAL negfadj_complex onsite[],
                                              int64_t hopping_length, NEGFADJ_OPTIONAL negfadj_complex hopping[],
                                              int64_t coupling_length, NEGFADJ_OPTIONAL negfadj_complex coupling[]);

/* By the energies; a current has none. */
NEGFADJ_API int negfadj_gradient_energies(negfadj_result result, int64_t energies_length, double energies[]);

/* By the biases [1/V] and the temperature [1/K]; only a current has them. */
NEGFADJ_API int negfadj_gradient_bias(negfadj_result result, int64_t biases_length, double biases[],
                                      double *temperature);

NEGFADJ_API int negfadj_result_free(negfadj_result result);

#ifdef __cplusplus
}
#endif

#endif
