// One step of a solve for columns or rows with the left-connected factors, in shared memory.
//
//     columns: step X' = g (w − U X), carry w' = −L (g w)      rows: step R' = (v − R L) g, carry v' = −(v g) U
//
// Right-hand sides wider than a tile are done in panels of WIDTH columns (rows).
#pragma once
#include "hopping.cuh"

namespace negfadj {

enum SolveKind { COLUMNS_STEP = 0, COLUMNS_CARRY = 1, ROWS_STEP = 2, ROWS_CARRY = 3 };

// g (E, n, n). Step: x (E, m, width) or (E, width, m) and the source (E or 1, n, width) or its transpose; carry: x is
// the carried (E or 1, n, width) or (…, width, n), and m the size of the block it goes to.
template <class T>
struct SolveArguments {
    const T* g;
    const T* x;
    const T* source;  // null for zero
    T* out;
    Hopping<T> hopping;
    int n, m, width;
    int x_stride, source_stride;
};

template <class T, int WIDTH>
constexpr int SOLVE_SHARED = 4 * WIDTH * WIDTH;

// The part of a right-hand side that one panel covers: columns for a solve for columns, rows for one for rows.
template <class T, class Team, int WIDTH>
NEGFADJ_FN void stage_panel(const Owner<Team, WIDTH>& own, T* to, const T* from, int long_side, int width, int first,
                            int size, bool by_columns) {
    const int n_rows = by_columns ? long_side : size, n_columns = by_columns ? size : long_side;
    const int stride = by_columns ? width : long_side;
    const T* start = from + (by_columns ? first : first * long_side);
    if (own.column >= n_columns) return;
    for (int i = own.first; i < n_rows; i += Owner<Team, WIDTH>::GROUPS)
        to[i * WIDTH + own.column] = start[i * stride + own.column];
}

template <int KIND, class T, int WIDTH, class Team>
NEGFADJ_FN void solve_energy(const Team& team, T* shared, int energy, const SolveArguments<T>& a) {
    constexpr bool BY_COLUMNS = KIND == COLUMNS_STEP || KIND == COLUMNS_CARRY;
    constexpr bool IS_STEP = KIND == COLUMNS_STEP || KIND == ROWS_STEP;
    const Owner<Team, WIDTH> own(team);
    T* const g = shared;
    T* const staged = g + WIDTH * WIDTH;
    T* const right = staged + WIDTH * WIDTH;
    T* const inner = right + WIDTH * WIDTH;
    const long long k = energy;
    // the hopping is (n, m) or (m, n): from the side that the solve comes from to the block of g, or away from it
    const bool into_block = BY_COLUMNS == IS_STEP;
    const int hop_rows = into_block ? a.n : a.m, hop_columns = into_block ? a.m : a.n;
    const int long_in = IS_STEP ? a.m : a.n, long_out = IS_STEP ? a.n : a.m;
    stage(own, g, a.g + k * a.n * a.n, a.n, a.n);
    stage_hopping<T, Team, WIDTH>(own, staged, a.hopping, zero<T>(), energy, hop_rows, hop_columns);
    for (int first = 0; first < a.width; first += WIDTH) {
        const int size = a.width - first < WIDTH ? a.width - first : WIDTH;
        stage_panel<T, Team, WIDTH>(own, right, a.x + k * a.x_stride, long_in, a.width, first, size, BY_COLUMNS);
        team.barrier();
        Tile<T, Team, WIDTH> x;
        x.clear();
        if (!IS_STEP) {
            if (BY_COLUMNS) x.add_product(own, g, right, a.n);
            else x.add_product(own, right, g, a.n);
        } else {
            if (BY_COLUMNS) add_hopping_times<T, Team, WIDTH>(own, x, a.hopping, staged, right, energy, a.n, a.m);
            else add_times_hopping<T, Team, WIDTH>(own, x, a.hopping, staged, right, energy, a.m, a.n);
            x.negate();
            if (a.source != nullptr) {
                const T* source = a.source + k * a.source_stride + (BY_COLUMNS ? first : first * a.n);
                NEGFADJ_UNROLL
                for (int s = 0; s < Owner<Team, WIDTH>::TILE; ++s) {
                    const int i = own.row(s), j = own.column;
                    if (BY_COLUMNS && i < a.n && j < size) x.entry[s] = x.entry[s] + source[i * a.width + j];
                    if (!BY_COLUMNS && i < size && j < a.n) x.entry[s] = x.entry[s] + source[i * a.n + j];
                }
            }
        }
        // the block's own orbitals run along the long side of `inner`
        if (BY_COLUMNS) x.store(own, inner, a.n, size, WIDTH);
        else x.store(own, inner, size, a.n, WIDTH);
        team.barrier();
        x.clear();
        if (IS_STEP) {
            if (BY_COLUMNS) x.add_product(own, g, inner, a.n);
            else x.add_product(own, inner, g, a.n);
        } else {
            if (BY_COLUMNS) add_hopping_times<T, Team, WIDTH>(own, x, a.hopping, staged, inner, energy, a.m, a.n);
            else add_times_hopping<T, Team, WIDTH>(own, x, a.hopping, staged, inner, energy, a.n, a.m);
            x.negate();
        }
        T* out = a.out + k * long_out * a.width + (BY_COLUMNS ? first : first * long_out);
        if (BY_COLUMNS) x.store(own, out, long_out, size, a.width);
        else x.store(own, out, size, long_out, long_out);
        team.barrier();  // `right` and `inner` are free
    }
}

}  // namespace negfadj
