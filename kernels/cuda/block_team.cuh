// A thread block as a team, and what the compiler's options choose: NEGFADJ_SCALAR, NEGFADJ_WIDTH, NEGFADJ_THREADS.
#pragma once
#include "scalar.cuh"

#if !defined(NEGFADJ_SCALAR) || !defined(NEGFADJ_WIDTH) || !defined(NEGFADJ_THREADS)
#error "compile with -DNEGFADJ_SCALAR=…, -DNEGFADJ_WIDTH=… and -DNEGFADJ_THREADS=…"
#endif

namespace negfadj {

struct BlockTeam {
    static constexpr int count = NEGFADJ_THREADS;
    __device__ int rank() const { return static_cast<int>(threadIdx.x); }
    __device__ void barrier() const { __syncthreads(); }
};

using Scalar = NEGFADJ_SCALAR;
constexpr int WIDTH = NEGFADJ_WIDTH;

extern __shared__ __align__(16) unsigned char shared_bytes[];

__device__ __forceinline__ Scalar* shared_memory() { return reinterpret_cast<Scalar*>(shared_bytes); }

}  // namespace negfadj
