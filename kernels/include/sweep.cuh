// The whole sweep of block elimination from the left, one team an energy, A(z) made block by block from H, S and Σ.
//
//     g_1 = A_11⁻¹,  g_i = (A_ii − A_{i,i−1} g_{i−1} A_{i−1,i})⁻¹,   w_{i+1} = −A_{i+1,i} g_i w_i (+ sources on i + 1)
//
// Wanted of it are g and w of all blocks or of the last, and the largest |entry|² of all g_i.
#pragma once
#include "elimination.cuh"

namespace negfadj {

// One block of A and its hoppings from and to the block before, as 64-bit words: what the host fills in, in this order.
struct BlockRow {
    long long n;               // orbitals
    const void* onsite;        // H_ii (n, n)
    long long onsite_is_real;  // 1 for real numbers
    const void* overlap;       // S_ii, of the same kind as H_ii; null for the identity
    const void* self_energy;   // what is taken off besides (E, n, n), as T; null for nothing
    long long self_energy_stride;
    long long lower_kind;  // A_{i,i−1}
    const void* lower_values;
    const void* lower_overlap;
    long long lower_stride;
    const long long* lower_index;
    long long upper_kind;  // A_{i−1,i}
    const void* upper_values;
    const void* upper_overlap;
    long long upper_stride;
    const long long* upper_index;
    void* g_out;  // (E, n, n); null when it is not wanted
    void* w_out;  // (E, n, n_columns); null when it is not wanted
};
constexpr int BLOCK_ROW_WORDS = 18;
static_assert(sizeof(BlockRow) == 8 * BLOCK_ROW_WORDS, "the host fills in 64-bit words");

// Columns that start on a block: `values` (E or 1, n, n_columns) become columns `at`, `at` + 1, … of w.
struct SourceRow {
    long long block;
    const void* values;
    long long stride;
    long long n_columns;
    long long at;
};
constexpr int SOURCE_ROW_WORDS = 5;

template <class T>
struct SweepArguments {
    const T* z;  // (E,)
    const BlockRow* blocks;
    const SourceRow* sources;
    int n_blocks, n_sources;
    int n_columns;       // of w in all
    real_of<T>* growth;  // the largest |entry|² of all g_i (E,), not a number where one is none
};

// The larger of the two; a not-a-number stays one.
template <class R>
NEGFADJ_FN R larger(R x, R y) {
    return x < y || y != y ? y : x;
}

template <class S, class T, class Team, int WIDTH>
NEGFADJ_FN void take_pencil(const Owner<Team, WIDTH>& own, Tile<T, Team, WIDTH>& x, const BlockRow& block, T z) {
    const int n = static_cast<int>(block.n);
    const S* h = static_cast<const S*>(block.onsite);
    const S* s = static_cast<const S*>(block.overlap);
    NEGFADJ_UNROLL
    for (int t = 0; t < Owner<Team, WIDTH>::TILE; ++t) {
        const int i = own.row(t), j = own.column;
        if (i >= n || j >= n) continue;
        const T scaled = s != nullptr ? z * s[i * n + j] : (i == j ? z : zero<T>());
        x.entry[t] = scaled - As<T>::of(h[i * n + j]);
    }
}

// A_ii = z S_ii − H_ii − Σ_i into the tiles.
template <class T, class Team, int WIDTH>
NEGFADJ_FN void load_diagonal(const Owner<Team, WIDTH>& own, Tile<T, Team, WIDTH>& x, const BlockRow& block, T z,
                              long long energy) {
    x.clear();
    if (block.onsite_is_real) take_pencil<real_of<T>>(own, x, block, z);
    else take_pencil<T>(own, x, block, z);
    if (block.self_energy == nullptr) return;
    const int n = static_cast<int>(block.n);
    const T* sigma = static_cast<const T*>(block.self_energy) + energy * block.self_energy_stride;
    NEGFADJ_UNROLL
    for (int t = 0; t < Owner<Team, WIDTH>::TILE; ++t)
        if (own.row(t) < n && own.column < n) x.entry[t] = x.entry[t] - sigma[own.row(t) * n + own.column];
}

// The columns that start on this block; ends with a barrier when there are any.
template <class T, class Team, int WIDTH>
NEGFADJ_FN void start_columns(const Team& team, const Owner<Team, WIDTH>& own, T* w, const SweepArguments<T>& a,
                              int block, long long energy, int n) {
    for (int s = 0; s < a.n_sources; ++s) {
        const SourceRow source = a.sources[s];
        if (source.block != block) continue;
        const T* values = static_cast<const T*>(source.values) + energy * source.stride;
        const int n_columns = static_cast<int>(source.n_columns);
        if (own.column < n_columns)
            for (int i = own.first; i < n; i += Owner<Team, WIDTH>::GROUPS)
                w[i * WIDTH + source.at + own.column] = values[i * n_columns + own.column];
        team.barrier();
    }
}

template <class T, int WIDTH, class Team>
NEGFADJ_FN void sweep_energy(const Team& team, T* shared, int energy, const SweepArguments<T>& a) {
    using Matrix = Tile<T, Team, WIDTH>;
    const Owner<Team, WIDTH> own(team);
    const EliminationMemory<T, WIDTH> memory(shared);
    const long long k = energy;
    const T z = a.z[k];
    const int r = a.n_columns;
    Matrix x;
    real_of<T> grown = 0;
    if (r > 0) {  // columns not yet started are zero; the first inverse's barriers come before any other use
        x.clear();
        x.store(own, memory.w, WIDTH, WIDTH, WIDTH);
    }
    int m = 0;
    for (int i = 0; i < a.n_blocks; ++i) {
        const BlockRow block = a.blocks[i];
        const int n = static_cast<int>(block.n);
        load_diagonal<T, Team, WIDTH>(own, x, block, z, k);
        if (i == 0) {
            invert<T, Team, WIDTH>(team, x, n, memory.g, memory.scratch);
        } else {
            const Hopping<T> lower{block.lower_kind, block.lower_values, block.lower_overlap, block.lower_stride,
                                   block.lower_index};
            const Hopping<T> upper{block.upper_kind, block.upper_values, block.upper_overlap, block.upper_stride,
                                   block.upper_index};
            eliminate<T, Team, WIDTH>(team, memory, x, lower, upper, z, energy, n, m, r);
        }
        start_columns<T, Team, WIDTH>(team, own, memory.w, a, i, k, n);
        x.load(own, memory.g, n, n, WIDTH);
        NEGFADJ_UNROLL
        for (int s = 0; s < Matrix::TILE; ++s) grown = larger(grown, square_of(x.entry[s]));
        if (block.g_out != nullptr) x.store(own, static_cast<T*>(block.g_out) + k * n * n, n, n, n);
        if (block.w_out != nullptr) {
            x.load(own, memory.w, n, r, WIDTH);
            x.store(own, static_cast<T*>(block.w_out) + k * n * r, n, r, r);
        }
        m = n;
    }
    real_of<T>* const partial = reinterpret_cast<real_of<T>*>(memory.product);  // free since the last inverse
    partial[team.rank()] = grown;
    team.barrier();
    if (team.rank() != 0) return;
    for (int t = 1; t < Team::count; ++t) grown = larger(grown, partial[t]);
    a.growth[k] = grown;
}

}  // namespace negfadj
