// Inverse of one matrix by Gauss–Jordan elimination with partial pivoting, the matrix in the registers of the team.
//
// Step k: p = the row of the largest |a_ik|, i ≥ k; rows k and p change places; row k is divided by the pivot, and its
// multiple is taken from every other row. The inverse grows in place of the eliminated columns; in the end its columns
// are put back in the order that the exchanges of rows asked for. 2 n barriers.
#pragma once
#include "tile.cuh"

namespace negfadj {

// Shared scratch of `invert`: two columns (one is read while the next is written), the pivot row, the exchanged row, and
// the row that every step exchanged.
template <int WIDTH>
constexpr int INVERSE_SCRATCH = 5 * WIDTH;

// `out` (shared, row stride WIDTH) = the inverse of the n × n matrix in the tiles; all NaN when it is singular.
// Nobody may still read `out` or `scratch`; ends with a barrier.
template <class T, class Team, int WIDTH>
NEGFADJ_FN void invert(const Team& team, Tile<T, Team, WIDTH>& x, int n, T* out, T* scratch) {
    using Own = Owner<Team, WIDTH>;
    const Own own(team);
    T* pivot_row = scratch + 2 * WIDTH;
    T* exchanged_row = scratch + 3 * WIDTH;
    int* exchanged = reinterpret_cast<int*>(scratch + 4 * WIDTH);
    int place = own.column;  // the column of the inverse that this thread's column is
    for (int k = 0; k < n; ++k) {
        T* column = scratch + (k & 1) * WIDTH;
        if (own.column == k) {
            NEGFADJ_UNROLL
            for (int s = 0; s < Own::TILE; ++s)
                if (own.row(s) < n) column[own.row(s)] = x.entry[s];
        }
        team.barrier();
        int p = k;
        real_of<T> most = size_of(column[k]);
        for (int i = k + 1; i < n; ++i)
            if (size_of(column[i]) > most) {
                most = size_of(column[i]);
                p = i;
            }
        if (team.rank() == 0) exchanged[k] = p;
        if (own.column < n) {
            NEGFADJ_UNROLL
            for (int s = 0; s < Own::TILE; ++s) {
                if (own.row(s) == p) pivot_row[own.column] = x.entry[s];
                if (own.row(s) == k) exchanged_row[own.column] = x.entry[s];
            }
        }
        team.barrier();
        if (own.column < n) {
            const T inverse_pivot = reciprocal(column[p]);
            const T scaled = own.column == k ? inverse_pivot : inverse_pivot * pivot_row[own.column];
            NEGFADJ_UNROLL
            for (int s = 0; s < Own::TILE; ++s) {
                const int i = own.row(s);
                if (i >= n) continue;
                if (i == k) {
                    x.entry[s] = scaled;
                    continue;
                }
                const T multiple = column[i == p ? k : i];
                const T before = i == p ? exchanged_row[own.column] : x.entry[s];
                x.entry[s] = (own.column == k ? zero<T>() : before) - multiple * scaled;
            }
        }
    }
    // exchanging rows k and p of A exchanges columns k and p of A⁻¹, the last exchange first
    for (int k = n - 1; k >= 0; --k) {
        if (place == k) place = exchanged[k];
        else if (place == exchanged[k]) place = k;
    }
    if (own.column < n) {
        NEGFADJ_UNROLL
        for (int s = 0; s < Own::TILE; ++s)
            if (own.row(s) < n) out[own.row(s) * WIDTH + place] = x.entry[s];
    }
    team.barrier();
}

// One matrix of a stack: `to` = `from`⁻¹, both (n, n). `shared` has WIDTH² + INVERSE_SCRATCH places.
template <class T, int WIDTH, class Team>
NEGFADJ_FN void invert_matrix(const Team& team, T* shared, const T* from, T* to, int n) {
    const Owner<Team, WIDTH> own(team);
    Tile<T, Team, WIDTH> x;
    x.load(own, from, n, n, n);
    invert<T, Team, WIDTH>(team, x, n, shared, shared + WIDTH * WIDTH);
    x.load(own, shared, n, n, WIDTH);
    x.store(own, to, n, n, n);
}

}  // namespace negfadj
