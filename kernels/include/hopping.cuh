// An off-diagonal block of A as what it is: dense, real, one entry a row and column, or z S − H made here.
#pragma once
#include "tile.cuh"

namespace negfadj {

enum HoppingKind { DENSE = 0, REAL = 1, MONOMIAL = 2, PENCIL = 3, REAL_PENCIL = 4 };

// `values`: DENSE the block (n_rows, n_columns) as T; REAL the same as real numbers; MONOMIAL one value a row when it
// multiplies from the left, one a column from the right, and `index` the column or row it stands in (null: in order);
// PENCIL and REAL_PENCIL H, with S in `overlap`. `stride` places lie between the values of two energies (0: equal).
template <class T>
struct Hopping {
    long long kind;
    const void* values;
    const void* overlap;
    long long stride;
    const long long* index;

    NEGFADJ_FN const T* dense(int energy) const { return static_cast<const T*>(values) + energy * stride; }
    NEGFADJ_FN const real_of<T>* real() const { return static_cast<const real_of<T>*>(values); }
    NEGFADJ_FN int place(int i) const { return index == nullptr ? i : static_cast<int>(index[i]); }
};

// The block into `to` (shared); a REAL one as real numbers, a MONOMIAL one not at all. No barrier.
template <class T, class Team, int WIDTH>
NEGFADJ_FN void stage_hopping(const Owner<Team, WIDTH>& own, T* to, const Hopping<T>& hopping, T z, int energy,
                              int n_rows, int n_columns) {
    if (hopping.kind == DENSE) stage(own, to, hopping.dense(energy), n_rows, n_columns);
    if (hopping.kind == REAL) stage(own, reinterpret_cast<real_of<T>*>(to), hopping.real(), n_rows, n_columns);
    if (hopping.kind != PENCIL && hopping.kind != REAL_PENCIL) return;
    if (own.column >= n_columns) return;
    for (int i = own.first; i < n_rows; i += Owner<Team, WIDTH>::GROUPS) {
        const int e = i * n_columns + own.column;
        to[i * WIDTH + own.column] =
            hopping.kind == PENCIL
                ? z * static_cast<const T*>(hopping.overlap)[e] - static_cast<const T*>(hopping.values)[e]
                : z * static_cast<const real_of<T>*>(hopping.overlap)[e] - As<T>::of(hopping.real()[e]);
    }
}

// x += M b for the staged block M (n_rows, inner) and b (inner, …) shared.
template <class T, class Team, int WIDTH>
NEGFADJ_FN void add_hopping_times(const Owner<Team, WIDTH>& own, Tile<T, Team, WIDTH>& x, const Hopping<T>& hopping,
                                  const T* staged, const T* b, int energy, int n_rows, int inner) {
    if (hopping.kind == MONOMIAL) {
        NEGFADJ_UNROLL
        for (int s = 0; s < Owner<Team, WIDTH>::TILE; ++s) {
            const int i = own.row(s);
            if (i < n_rows) accumulate(x.entry[s], hopping.dense(energy)[i], b[hopping.place(i) * WIDTH + own.column]);
        }
    } else if (hopping.kind == REAL) {
        x.add_product(own, reinterpret_cast<const real_of<T>*>(staged), b, inner);
    } else {
        x.add_product(own, staged, b, inner);
    }
}

// x += a M for the staged block M (inner, n_columns) and a (…, inner) shared.
template <class T, class Team, int WIDTH>
NEGFADJ_FN void add_times_hopping(const Owner<Team, WIDTH>& own, Tile<T, Team, WIDTH>& x, const Hopping<T>& hopping,
                                  const T* staged, const T* a, int energy, int inner, int n_columns) {
    if (hopping.kind == MONOMIAL) {
        if (own.column >= n_columns) return;
        const T value = hopping.dense(energy)[own.column];
        const int from = hopping.place(own.column);
        NEGFADJ_UNROLL
        for (int s = 0; s < Owner<Team, WIDTH>::TILE; ++s)
            accumulate(x.entry[s], a[own.row(s) * WIDTH + from], value);
    } else if (hopping.kind == REAL) {
        x.add_product(own, a, reinterpret_cast<const real_of<T>*>(staged), inner);
    } else {
        x.add_product(own, a, staged, inner);
    }
}

}  // namespace negfadj
