// Segments of a lead doubled, one thread block an energy.
#include "block_team.cuh"
#include "segment_doubling.cuh"

using namespace negfadj;

extern "C" __global__ void __launch_bounds__(NEGFADJ_THREADS)
    segment_doubling(const Scalar* rho, const Scalar* sigma, const Scalar* forth, const Scalar* back,
                     const real_of<Scalar>* tolerance, Scalar* rho_out, Scalar* sigma_out, int r, int most) {
    const SegmentArguments<Scalar> arguments{rho, sigma, forth, back, tolerance, rho_out, sigma_out, r, most};
    double_segments<Scalar, WIDTH>(BlockTeam(), shared_memory(), blockIdx.x, arguments);
}
