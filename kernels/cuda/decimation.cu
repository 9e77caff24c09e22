// Decimation of a lead, one thread block an energy.
#include "block_team.cuh"
#include "decimation.cuh"

using namespace negfadj;

extern "C" __global__ void __launch_bounds__(NEGFADJ_THREADS)
    decimation(const Scalar* a00, const Scalar* a01, const Scalar* a10, Scalar* right, Scalar* left, int n, int most,
               int a01_stride, int a10_stride, double root_eps) {
    const DecimationArguments<Scalar> arguments{a00, a01,  a10,        right,      left,
                                                n,   most, a01_stride, a10_stride, root_eps};
    decimate_energy<Scalar, WIDTH>(BlockTeam(), shared_memory(), blockIdx.x, arguments);
}
