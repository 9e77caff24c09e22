// The whole sweep of block elimination, one thread block an energy.
#include "block_team.cuh"
#include "sweep.cuh"

using namespace negfadj;

extern "C" __global__ void __launch_bounds__(NEGFADJ_THREADS)
    sweep(const Scalar* z, const BlockRow* blocks, const SourceRow* sources, int n_blocks, int n_sources, int n_columns,
          real_of<Scalar>* growth) {
    const SweepArguments<Scalar> arguments{z, blocks, sources, n_blocks, n_sources, n_columns, growth};
    sweep_energy<Scalar, WIDTH>(BlockTeam(), shared_memory(), blockIdx.x, arguments);
}
