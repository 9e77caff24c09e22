// Decimation of a lead, one team an energy: as many passes as this energy needs, seen by the team alone.
//
//     g = ε⁻¹:   ρ ← ρ + α g β,   σ ← σ + β g α,   ε = A00 − ρ − σ,   α ← α g α,   β ← β g β
#pragma once
#include "inverse.cuh"

namespace negfadj {

template <class T>
struct DecimationArguments {
    const T* a00;  // (E, n, n)
    const T* a01;  // (E or 1, n, n)
    const T* a10;
    T* right;  // ρ
    T* left;   // σ
    int n, most;
    int a01_stride, a10_stride;
    double root_eps;  // √eps of the scalar
};

template <class T, int WIDTH, int COUNT>
constexpr int DECIMATION_SHARED = 4 * WIDTH * WIDTH + INVERSE_SCRATCH<WIDTH> + COUNT;

template <class T, int WIDTH, class Team>
NEGFADJ_FN void decimate_energy(const Team& team, T* shared, int energy, const DecimationArguments<T>& a) {
    using Matrix = Tile<T, Team, WIDTH>;
    using R = real_of<T>;
    const Owner<Team, WIDTH> own(team);
    T* const g = shared;
    T* const alpha = g + WIDTH * WIDTH;
    T* const beta = alpha + WIDTH * WIDTH;
    T* const product = beta + WIDTH * WIDTH;
    T* const scratch = product + WIDTH * WIDTH;
    R* const partial = reinterpret_cast<R*>(scratch + INVERSE_SCRATCH<WIDTH>);
    const long long k = energy;
    const int n = a.n;
    const T* const a00 = a.a00 + k * n * n;
    Matrix right, left, x, next_alpha;
    right.clear();
    left.clear();
    x.load(own, a00, n, n, n);
    stage(own, alpha, a.a01 + k * a.a01_stride, n, n);
    stage(own, beta, a.a10 + k * a.a10_stride, n, n);
    // the change of the next pass is about the square of this one
    const R tolerance = R(a.root_eps) / 64 * team_largest(team, x.largest(own, n, n), partial);
    for (int pass = 0; pass < a.most; ++pass) {
        x.load(own, a00, n, n, n);
        NEGFADJ_UNROLL
        for (int s = 0; s < Matrix::TILE; ++s) x.entry[s] = x.entry[s] - right.entry[s] - left.entry[s];
        invert<T, Team, WIDTH>(team, x, n, g, scratch);
        x.clear();
        x.add_product(own, alpha, g, n);
        x.store(own, product, n, n, WIDTH);  // α g
        team.barrier();
        x.clear();
        x.add_product(own, product, beta, n);  // there and back
        next_alpha.clear();
        next_alpha.add_product(own, product, alpha, n);
        const R change = team_largest(team, x.largest(own, n, n), partial);  // its barriers free `product`
        NEGFADJ_UNROLL
        for (int s = 0; s < Matrix::TILE; ++s) right.entry[s] = right.entry[s] + x.entry[s];
        x.clear();
        x.add_product(own, beta, g, n);
        x.store(own, product, n, n, WIDTH);  // β g
        team.barrier();
        left.add_product(own, product, alpha, n);  // back and there
        if (!(change > tolerance)) break;
        x.clear();
        x.add_product(own, product, beta, n);
        team.barrier();  // α and β are read
        next_alpha.store(own, alpha, n, n, WIDTH);
        x.store(own, beta, n, n, WIDTH);
    }
    right.store(own, a.right + k * n * n, n, n, n);
    left.store(own, a.left + k * n * n, n, n, n);
}

}  // namespace negfadj
