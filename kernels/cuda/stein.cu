// The Stein equation by doubling, one thread block an energy.
#include "block_team.cuh"
#include "stein.cuh"

using namespace negfadj;

extern "C" __global__ void __launch_bounds__(NEGFADJ_THREADS)
    stein_doubling(const Scalar* p, const Scalar* q, const Scalar* c, Scalar* out, int r, int most, double root_eps) {
    const SteinArguments<Scalar> arguments{p, q, c, out, r, most, root_eps};
    stein_energy<Scalar, WIDTH>(BlockTeam(), shared_memory(), blockIdx.x, arguments);
}
