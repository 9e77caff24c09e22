// Segments of a lead doubled, one team an energy, in the rank r of the hopping: as many passes as this energy needs.
//
//     F = (1 − σρ)⁻¹:   ρ ← ρ + f ρ F s,   σ ← σ + s F σ f,   f ← −f (f + ρ F σ f),   s ← −s F s
#pragma once
#include "inverse.cuh"

namespace negfadj {

template <class T>
struct SegmentArguments {
    const T* rho_in;  // (E, r, r) each
    const T* sigma_in;
    const T* forth_in;
    const T* back_in;
    const real_of<T>* tolerance;  // (E,): the largest |change of ρ| of the last pass
    T* rho_out;
    T* sigma_out;
    int r, most;
};

template <class T, int WIDTH, class Team>
NEGFADJ_FN void double_segments(const Team& team, T* shared, int energy, const SegmentArguments<T>& a) {
    using Matrix = Tile<T, Team, WIDTH>;
    using R = real_of<T>;
    const Owner<Team, WIDTH> own(team);
    T* const rho = shared;
    T* const sigma = rho + WIDTH * WIDTH;
    T* const forth = sigma + WIDTH * WIDTH;
    T* const back = forth + WIDTH * WIDTH;
    T* const between = back + WIDTH * WIDTH;
    T* const product = between + WIDTH * WIDTH;
    T* const scratch = product + WIDTH * WIDTH;
    R* const partial = reinterpret_cast<R*>(scratch + INVERSE_SCRATCH<WIDTH>);
    const int r = a.r;
    const long long start = static_cast<long long>(energy) * r * r;
    stage(own, rho, a.rho_in + start, r, r);
    stage(own, sigma, a.sigma_in + start, r, r);
    stage(own, forth, a.forth_in + start, r, r);
    stage(own, back, a.back_in + start, r, r);
    Matrix x, y;
    for (int pass = 0; pass < a.most; ++pass) {
        team.barrier();
        x.clear();
        x.add_product(own, sigma, rho, r);
        NEGFADJ_UNROLL
        for (int s = 0; s < Matrix::TILE; ++s)
            x.entry[s] = As<T>::of(R(own.row(s) == own.column ? 1 : 0)) - x.entry[s];
        y.clear();
        y.add_product(own, sigma, forth, r);
        y.store(own, product, r, r, WIDTH);                    // σ f
        invert<T, Team, WIDTH>(team, x, r, between, scratch);  // F
        x.clear();
        x.add_product(own, between, product, r);
        y.clear();
        y.add_product(own, between, back, r);
        team.barrier();
        x.store(own, between, r, r, WIDTH);  // F σ f
        y.store(own, product, r, r, WIDTH);  // F s
        team.barrier();
        x.load(own, forth, r, r, WIDTH);
        x.add_product(own, rho, between, r);  // f + ρ F σ f
        y.load(own, sigma, r, r, WIDTH);
        y.add_product(own, back, between, r);
        y.store(own, sigma, r, r, WIDTH);  // nobody else reads an entry of σ here
        team.barrier();
        x.store(own, between, r, r, WIDTH);
        x.clear();
        x.add_product(own, rho, product, r);  // ρ F s
        y.clear();
        y.add_product(own, back, product, r);
        y.negate();
        team.barrier();
        x.store(own, product, r, r, WIDTH);
        y.store(own, back, r, r, WIDTH);
        team.barrier();
        x.clear();
        x.add_product(own, forth, between, r);
        x.negate();
        y.clear();
        y.add_product(own, forth, product, r);  // the change of ρ
        const R change = team_largest(team, y.largest(own, r, r), partial);
        x.store(own, forth, r, r, WIDTH);
        x.load(own, rho, r, r, WIDTH);
        NEGFADJ_UNROLL
        for (int s = 0; s < Matrix::TILE; ++s) x.entry[s] = x.entry[s] + y.entry[s];
        x.store(own, rho, r, r, WIDTH);
        if (!(change > a.tolerance[energy])) break;
    }
    x.load(own, rho, r, r, WIDTH);  // the entries this thread itself stored
    x.store(own, a.rho_out + start, r, r, r);
    x.load(own, sigma, r, r, WIDTH);
    x.store(own, a.sigma_out + start, r, r, r);
}

}  // namespace negfadj
