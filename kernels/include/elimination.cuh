// One step of block elimination with everything in shared memory: g' = (D − L g U)⁻¹ and w' = −L g w.
#pragma once
#include "hopping.cuh"
#include "inverse.cuh"

namespace negfadj {

// The shared memory of one energy: the factor, a product with it, a staged hopping, the carried right-hand side.
template <class T, int WIDTH>
struct EliminationMemory {
    T* g;
    T* product;
    T* staged;
    T* w;
    T* scratch;
    static constexpr int SIZE = 4 * WIDTH * WIDTH + INVERSE_SCRATCH<WIDTH>;
    NEGFADJ_FN explicit EliminationMemory(T* shared)
        : g(shared),
          product(g + WIDTH * WIDTH),
          staged(product + WIDTH * WIDTH),
          w(staged + WIDTH * WIDTH),
          scratch(w + WIDTH * WIDTH) {}
};

// `diagonal` holds D (n × n); `memory.g` is g (m × m) before and g' after, `memory.w` w (m × r) and w' (n × r).
// What is in shared memory may have been stored just now, but nobody may still read it; ends with a barrier.
template <class T, class Team, int WIDTH>
NEGFADJ_FN void eliminate(const Team& team, const EliminationMemory<T, WIDTH>& memory,
                          Tile<T, Team, WIDTH>& diagonal, const Hopping<T>& lower, const Hopping<T>& upper, T z,
                          int energy, int n, int m, int r) {
    const Owner<Team, WIDTH> own(team);
    Tile<T, Team, WIDTH> x;
    stage_hopping<T, Team, WIDTH>(own, memory.staged, lower, z, energy, n, m);
    team.barrier();
    x.clear();
    add_hopping_times<T, Team, WIDTH>(own, x, lower, memory.staged, memory.g, energy, n, m);
    x.store(own, memory.product, n, m, WIDTH);  // L g
    team.barrier();                             // L is read, L g is there
    stage_hopping<T, Team, WIDTH>(own, memory.staged, upper, z, energy, m, n);
    if (r > 0) {
        x.clear();
        x.add_product(own, memory.product, memory.w, m);
        x.negate();
    }
    team.barrier();  // U is there, w is read
    if (r > 0) x.store(own, memory.w, n, r, WIDTH);
    diagonal.negate();  // −(−D + L g U): one sum in registers
    add_times_hopping<T, Team, WIDTH>(own, diagonal, upper, memory.staged, memory.product, energy, m, n);
    diagonal.negate();
    invert<T, Team, WIDTH>(team, diagonal, n, memory.g, memory.scratch);
}

// One elimination of one energy: all arguments in global memory.
template <class T>
struct EliminateArguments {
    const T* g;         // (E, m, m)
    const T* diagonal;  // (E, n, n)
    const T* w;         // (E or 1, m, r), null without
    T* g_out;           // (E, n, n)
    T* w_out;           // (E, n, r)
    Hopping<T> lower, upper;
    int n, m, r, w_stride;
};

template <class T, int WIDTH, class Team>
NEGFADJ_FN void eliminate_energy(const Team& team, T* shared, int energy, const EliminateArguments<T>& a) {
    const Owner<Team, WIDTH> own(team);
    const EliminationMemory<T, WIDTH> memory(shared);
    const long long k = energy;
    Tile<T, Team, WIDTH> diagonal;
    stage(own, memory.g, a.g + k * a.m * a.m, a.m, a.m);
    if (a.r > 0) stage(own, memory.w, a.w + k * a.w_stride, a.m, a.r);
    diagonal.load(own, a.diagonal + k * a.n * a.n, a.n, a.n, a.n);
    eliminate<T, Team, WIDTH>(team, memory, diagonal, a.lower, a.upper, zero<T>(), energy, a.n, a.m, a.r);
    diagonal.load(own, memory.g, a.n, a.n, WIDTH);
    diagonal.store(own, a.g_out + k * a.n * a.n, a.n, a.n, a.n);
    if (a.r > 0) {
        diagonal.load(own, memory.w, a.n, a.r, WIDTH);
        diagonal.store(own, a.w_out + k * a.n * a.r, a.n, a.r, a.r);
    }
}

}  // namespace negfadj
