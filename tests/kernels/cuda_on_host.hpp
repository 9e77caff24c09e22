// What a CUDA source needs to be built by g++: a thread block is a set of host threads, a grid one block after another.
//
// Shared memory starts as not-a-number, and the bytes after those asked for are watched. With the environment variable
// NEGFADJ_DROP = k the k-th barrier of a block is left out, for tests that must see a race.
#pragma once
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__
#define __launch_bounds__(n)
#define __align__(n) __attribute__((aligned(n)))

struct HostIndex {
    unsigned x;
};
static thread_local HostIndex threadIdx, blockIdx;
static thread_local long barriers_passed;

// A thread that is on its way to the next barrier orders nothing for one that has yet to wake from this: a mutex would,
// and hide races from thread sanitizer.
class HostBarrier {
    std::atomic<int> waiting{0};
    std::atomic<long> round{0};

  public:
    void wait() {
        const long mine = round.load(std::memory_order_relaxed);
        if (waiting.fetch_add(1, std::memory_order_acq_rel) + 1 == NEGFADJ_THREADS) {
            waiting.store(0, std::memory_order_relaxed);
            round.store(mine + 1, std::memory_order_release);
        } else {
            while (round.load(std::memory_order_acquire) == mine) std::this_thread::yield();
        }
    }
};
static HostBarrier host_barrier;
static const long dropped_barrier = std::getenv("NEGFADJ_DROP") ? std::atol(std::getenv("NEGFADJ_DROP")) : -1;

static void __syncthreads() {
    if (barriers_passed++ != dropped_barrier) host_barrier.wait();
}

constexpr int SHARED_MOST = 256 * 1024, WATCHED = 4096;
namespace negfadj {
alignas(16) unsigned char shared_bytes[SHARED_MOST + WATCHED];
}

// Runs the kernel on a grid; false when it wrote to shared memory that it had not asked for.
template <class Kernel>
bool run_on_host(int n_blocks, int n_shared, Kernel kernel) {
    bool is_clean = true;
    auto work = [&](unsigned rank) {
        threadIdx.x = rank;
        for (int block = 0; block < n_blocks; ++block) {
            host_barrier.wait();
            if (rank == 0) {
                std::memset(negfadj::shared_bytes, 0xff, n_shared);
                std::memset(negfadj::shared_bytes + n_shared, 0x5a, WATCHED);
            }
            host_barrier.wait();
            blockIdx.x = block;
            barriers_passed = 0;
            kernel();
            host_barrier.wait();
            if (rank == 0)
                for (int i = 0; i < WATCHED; ++i) is_clean = is_clean && negfadj::shared_bytes[n_shared + i] == 0x5a;
        }
    };
    std::vector<std::thread> threads;
    for (unsigned rank = 0; rank < NEGFADJ_THREADS; ++rank) threads.emplace_back(work, rank);
    for (auto& thread : threads) thread.join();
    return is_clean;
}
