// The Stein equation Y − P Y Q = C by doubling, one team an energy:  Y ← Y + P Y Q,  P ← P P,  Q ← Q Q.
#pragma once
#include "tile.cuh"

namespace negfadj {

template <class T>
struct SteinArguments {
    const T* p;  // (E, r, r) each
    const T* q;
    const T* c;
    T* out;
    int r, most;
    double root_eps;  // √eps of the scalar
};

template <class T, int WIDTH, int COUNT>
constexpr int STEIN_SHARED = 4 * WIDTH * WIDTH + COUNT;

template <class T, int WIDTH, class Team>
NEGFADJ_FN void stein_energy(const Team& team, T* shared, int energy, const SteinArguments<T>& a) {
    using Matrix = Tile<T, Team, WIDTH>;
    using R = real_of<T>;
    const Owner<Team, WIDTH> own(team);
    T* const p = shared;
    T* const q = p + WIDTH * WIDTH;
    T* const y = q + WIDTH * WIDTH;
    T* const product = y + WIDTH * WIDTH;
    R* const partial = reinterpret_cast<R*>(product + WIDTH * WIDTH);
    const long long k = energy;
    const int r = a.r;
    Matrix solution, x, next_p;
    stage(own, p, a.p + k * r * r, r, r);
    stage(own, q, a.q + k * r * r, r, r);
    solution.load(own, a.c + k * r * r, r, r, r);
    for (int pass = 0; pass < a.most; ++pass) {
        solution.store(own, y, r, r, WIDTH);
        team.barrier();
        x.clear();
        x.add_product(own, p, y, r);
        x.store(own, product, r, r, WIDTH);
        team.barrier();
        x.clear();
        x.add_product(own, product, q, r);
        NEGFADJ_UNROLL
        for (int s = 0; s < Matrix::TILE; ++s) solution.entry[s] = solution.entry[s] + x.entry[s];
        const R change = team_largest(team, x.largest(own, r, r), partial);
        const R size = team_largest(team, solution.largest(own, r, r), partial);
        if (!(change > R(a.root_eps) / 64 * size)) break;  // the next change is about the square of this one
        next_p.clear();
        next_p.add_product(own, p, p, r);
        x.clear();
        x.add_product(own, q, q, r);
        team.barrier();  // P and Q are read
        next_p.store(own, p, r, r, WIDTH);
        x.store(own, q, r, r, WIDTH);
    }
    solution.store(own, a.out + k * r * r, r, r, r);
}

}  // namespace negfadj
