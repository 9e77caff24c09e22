// One step of a solve for columns or rows, one thread block an energy.
#include "block_team.cuh"
#include "solve.cuh"

using namespace negfadj;

#define NEGFADJ_SOLVE(NAME, KIND)                                                                                     \
    extern "C" __global__ void __launch_bounds__(NEGFADJ_THREADS)                                                     \
        NAME(const Scalar* g, const Scalar* x, const Scalar* source, Scalar* out, long long kind, const void* values, \
             long long stride, const long long* index, int n, int m, int width, int x_stride, int source_stride) {    \
        const SolveArguments<Scalar> arguments{g, x, source, out, {kind, values, nullptr, stride, index},             \
                                               n, m, width,  x_stride, source_stride};                                \
        solve_energy<KIND, Scalar, WIDTH>(BlockTeam(), shared_memory(), blockIdx.x, arguments);                       \
    }

NEGFADJ_SOLVE(columns_step, COLUMNS_STEP)
NEGFADJ_SOLVE(columns_carry, COLUMNS_CARRY)
NEGFADJ_SOLVE(rows_step, ROWS_STEP)
NEGFADJ_SOLVE(rows_carry, ROWS_CARRY)
