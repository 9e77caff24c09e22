// Who owns which entry: a team of threads holds a matrix of up to WIDTH × WIDTH in registers, a tile a thread.
//
// A Team has `static constexpr int count`, `rank()` in 0 … count − 1, and `barrier()`. The thread of rank t owns
// column t % WIDTH, and of it the rows t / WIDTH, t / WIDTH + GROUPS, …: neighbouring threads hold neighbouring columns.
// Matrices that all threads read are in shared memory with row stride WIDTH.
#pragma once
#include "scalar.cuh"

namespace negfadj {

template <class Team, int WIDTH>
struct Owner {
    static constexpr int GROUPS = Team::count / WIDTH;
    static constexpr int TILE = WIDTH / GROUPS;
    static_assert(GROUPS > 0 && GROUPS * WIDTH == Team::count && TILE * GROUPS == WIDTH,
                  "the team must be a multiple of WIDTH threads, in a number of groups that divides WIDTH");
    int column, first;
    NEGFADJ_FN explicit Owner(const Team& team) : column(team.rank() % WIDTH), first(team.rank() / WIDTH) {}
    NEGFADJ_FN int row(int s) const { return first + s * GROUPS; }
};

// The entries of a matrix (n_rows, n_columns) that one thread owns.
template <class T, class Team, int WIDTH>
struct Tile {
    static constexpr int TILE = Owner<Team, WIDTH>::TILE;
    T entry[TILE];

    NEGFADJ_FN void clear() {
        NEGFADJ_UNROLL
        for (int s = 0; s < TILE; ++s) entry[s] = zero<T>();
    }
    // From memory with row stride `stride`; entries outside the matrix are zero.
    NEGFADJ_FN void load(const Owner<Team, WIDTH>& own, const T* from, int n_rows, int n_columns, int stride) {
        NEGFADJ_UNROLL
        for (int s = 0; s < TILE; ++s) {
            bool inside = own.row(s) < n_rows && own.column < n_columns;
            entry[s] = inside ? from[own.row(s) * stride + own.column] : zero<T>();
        }
    }
    NEGFADJ_FN void store(const Owner<Team, WIDTH>& own, T* to, int n_rows, int n_columns, int stride) const {
        NEGFADJ_UNROLL
        for (int s = 0; s < TILE; ++s)
            if (own.row(s) < n_rows && own.column < n_columns) to[own.row(s) * stride + own.column] = entry[s];
    }
    // entry += A B for A (…, inner) and B (inner, …), both shared.
    template <class A, class B>
    NEGFADJ_FN void add_product(const Owner<Team, WIDTH>& own, const A* a, const B* b, int inner) {
        for (int k = 0; k < inner; ++k) {
            B right = b[k * WIDTH + own.column];
            NEGFADJ_UNROLL
            for (int s = 0; s < TILE; ++s) accumulate(entry[s], a[own.row(s) * WIDTH + k], right);
        }
    }
    // entry += A† B for A (inner, …) and B (inner, …), both shared.
    NEGFADJ_FN void add_adjoint_product(const Owner<Team, WIDTH>& own, const T* a, const T* b, int inner) {
        for (int k = 0; k < inner; ++k) {
            T right = b[k * WIDTH + own.column];
            NEGFADJ_UNROLL
            for (int s = 0; s < TILE; ++s) accumulate(entry[s], conjugate(a[k * WIDTH + own.row(s)]), right);
        }
    }
    NEGFADJ_FN void negate() {
        NEGFADJ_UNROLL
        for (int s = 0; s < TILE; ++s) entry[s] = -entry[s];
    }
    // Largest |Re| + |Im| of the entries inside the matrix; not-a-numbers do not count.
    NEGFADJ_FN real_of<T> largest(const Owner<Team, WIDTH>& own, int n_rows, int n_columns) const {
        real_of<T> most = 0;
        NEGFADJ_UNROLL
        for (int s = 0; s < TILE; ++s)
            if (own.row(s) < n_rows && own.column < n_columns && size_of(entry[s]) > most) most = size_of(entry[s]);
        return most;
    }
};

// The largest of one number a thread, known to all; `partial` is shared and has `Team::count` places.
template <class R, class Team>
NEGFADJ_FN R team_largest(const Team& team, R mine, R* partial) {
    partial[team.rank()] = mine;
    team.barrier();
    R most = 0;
    for (int t = 0; t < Team::count; ++t)
        if (partial[t] > most) most = partial[t];
    team.barrier();  // `partial` may be written again
    return most;
}

// A matrix (n_rows, n_columns) from memory to shared memory, without a barrier.
template <class T, class S, class Team, int WIDTH>
NEGFADJ_FN void stage(const Owner<Team, WIDTH>& own, T* to, const S* from, int n_rows, int n_columns) {
    if (own.column >= n_columns) return;
    for (int i = own.first; i < n_rows; i += Owner<Team, WIDTH>::GROUPS)
        to[i * WIDTH + own.column] = from[i * n_columns + own.column];
}

}  // namespace negfadj
