// One step of block elimination, one thread block an energy.
#include "block_team.cuh"
#include "elimination.cuh"

using namespace negfadj;

extern "C" __global__ void __launch_bounds__(NEGFADJ_THREADS)
    eliminate_step(const Scalar* g, const Scalar* diagonal, const Scalar* w, Scalar* g_out, Scalar* w_out,
                   long long lower_kind, const void* lower_values, long long lower_stride, const long long* lower_index,
                   long long upper_kind, const void* upper_values, long long upper_stride, const long long* upper_index,
                   int n, int m, int r, int w_stride) {
    const EliminateArguments<Scalar> arguments{g,
                                               diagonal,
                                               w,
                                               g_out,
                                               w_out,
                                               {lower_kind, lower_values, nullptr, lower_stride, lower_index},
                                               {upper_kind, upper_values, nullptr, upper_stride, upper_index},
                                               n,
                                               m,
                                               r,
                                               w_stride};
    eliminate_energy<Scalar, WIDTH>(BlockTeam(), shared_memory(), blockIdx.x, arguments);
}
