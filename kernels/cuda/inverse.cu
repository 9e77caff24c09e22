// Inverse of every matrix of a stack (E, n, n), one thread block a matrix.
#include "block_team.cuh"
#include "inverse.cuh"

using namespace negfadj;

extern "C" __global__ void __launch_bounds__(NEGFADJ_THREADS) inverse(const Scalar* from, Scalar* to, int n) {
    const long long k = blockIdx.x;
    invert_matrix<Scalar, WIDTH>(BlockTeam(), shared_memory(), from + k * n * n, to + k * n * n, n);
}
