// Every kernel once on random matrices, for thread sanitizer; the sources stand before this file in one translation unit.
//
// The one argument is a kernel's name. Sizes are below the width of the tiles, and three energies share the memory.
#include <cmath>
#include <cstdio>
#include <string>

namespace {

using R = real_of<Scalar>;
constexpr int E = 2, N = 7, M = 5, RANK = 3;

unsigned long long state = 88172645463325252ull;
R random_number() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return R(state >> 11) / R(1ull << 53) - R(0.5);
}
void fill(double& x) { x = random_number(); }
void fill(float& x) { x = random_number(); }
template <class F>
void fill(Complex<F>& x) { x = {random_number(), random_number()}; }

template <class T = Scalar>
std::vector<T> numbers(int count, R scale = 1) {
    std::vector<T> x(count);
    for (auto& entry : x) {
        fill(entry);
        entry = As<T>::of(scale) * entry;
    }
    return x;
}

// Diagonally dominant, so that the loops converge.
std::vector<Scalar> regular(int n) {
    auto x = numbers(E * n * n);
    for (int k = 0; k < E; ++k)
        for (int i = 0; i < n; ++i) x[k * n * n + i * n + i] = x[k * n * n + i * n + i] + As<Scalar>::of(R(2 * n));
    return x;
}

const int MATRIX = sizeof(Scalar) * WIDTH * WIDTH, COLUMNS = sizeof(Scalar) * INVERSE_SCRATCH<WIDTH>,
          PARTIAL = sizeof(Scalar) * NEGFADJ_THREADS;

bool check_inverse() {
    auto x = regular(N), out = x;
    return run_on_host(E, MATRIX + COLUMNS, [&] { inverse(x.data(), out.data(), N); });
}

bool check_eliminate_step() {
    auto g = regular(M), diagonal = regular(N), w = numbers(E * M * RANK), g_out = diagonal, w_out = numbers(E * N * RANK);
    auto lower = numbers(N * M), upper = numbers(M * N);
    auto real_lower = numbers<R>(N * M), real_upper = numbers<R>(M * N);
    std::vector<long long> to{0, 1, 2, 3, 4, 0, 1}, from{4, 3, 2, 1, 0, 4, 3};
    const void* lowers[] = {lower.data(), real_lower.data(), lower.data()};
    const void* uppers[] = {upper.data(), real_upper.data(), upper.data()};
    bool clean = true;
    for (int kind : {DENSE, REAL, MONOMIAL})
        clean = clean && run_on_host(E, 4 * MATRIX + COLUMNS, [&] {
                    eliminate_step(g.data(), diagonal.data(), w.data(), g_out.data(), w_out.data(), kind, lowers[kind],
                                   0, to.data(), kind, uppers[kind], 0, from.data(), N, M, RANK, M * RANK);
                });
    return clean;
}

bool check_sweep() {
    auto z = numbers(E, 4), onsite = numbers(N * N), sigma = numbers(E * N * N), hop = numbers(N * N);
    auto overlap = regular(N), source = numbers(N * RANK), w = numbers(4 * E * N * 2 * RANK);
    auto g = numbers(4 * E * N * N);
    auto growth = numbers<R>(E), real_onsite = numbers<R>(N * N), real_hop = numbers<R>(N * N);
    std::vector<BlockRow> blocks;
    for (int i = 0; i < 4; ++i) {
        const bool is_real = i == 2;
        BlockRow row{};
        row.n = i % 2 ? M : N;
        row.onsite = is_real ? static_cast<const void*>(real_onsite.data()) : onsite.data();
        row.onsite_is_real = is_real;
        row.self_energy = i == 0 ? sigma.data() : nullptr;
        row.self_energy_stride = N * N;
        row.lower_kind = row.upper_kind = i == 3 ? PENCIL : (is_real ? REAL : DENSE);
        row.lower_values = row.upper_values = is_real ? static_cast<const void*>(real_hop.data()) : hop.data();
        row.lower_overlap = row.upper_overlap = overlap.data();
        row.g_out = g.data() + i * E * N * N;
        row.w_out = w.data() + i * E * N * 2 * RANK;
        blocks.push_back(row);
    }
    std::vector<SourceRow> sources{{0, source.data(), 0, RANK, 0}, {2, source.data(), 0, RANK, RANK}};
    return run_on_host(E, 4 * MATRIX + COLUMNS, [&] {
        sweep(z.data(), blocks.data(), sources.data(), 4, 2, 2 * RANK, growth.data());
    });
}

template <class Solve>
bool check_solve(Solve solve) {
    const int wide = WIDTH + 3;  // two panels
    auto g = regular(N), x = numbers(E * N * wide), source = numbers(N * wide), out = numbers(E * N * wide);
    auto hop = numbers(N * M);
    bool clean = true;
    for (int kind : {DENSE, MONOMIAL})
        clean = clean && run_on_host(E, 4 * MATRIX, [&] {
                    std::vector<long long> index(N, 1);
                    solve(g.data(), x.data(), source.data(), out.data(), kind, hop.data(), 0, index.data(), N, M, wide,
                          M * wide, 0);
                });
    return clean;
}

bool check_decimation() {
    auto a00 = regular(N), a01 = numbers(N * N), a10 = numbers(N * N), right = a00, left = a00;
    return run_on_host(E, 4 * MATRIX + COLUMNS + PARTIAL, [&] {
        decimation(a00.data(), a01.data(), a10.data(), right.data(), left.data(), N, 60, 0, 0, 1e-8);
    });
}

bool check_segment_doubling() {
    auto rho = numbers(E * N * N, 0.1), sigma = rho, forth = numbers(E * N * N, 0.2), back = forth, out = rho, last = rho;
    std::vector<R> tolerance(E, R(1e-9));
    return run_on_host(E, 6 * MATRIX + COLUMNS + PARTIAL, [&] {
        segment_doubling(rho.data(), sigma.data(), forth.data(), back.data(), tolerance.data(), out.data(), last.data(),
                         N, 60);
    });
}

bool check_stein_doubling() {
    auto p = numbers(E * N * N, 0.2), q = numbers(E * N * N, 0.2), c = numbers(E * N * N), out = c;
    return run_on_host(E, 4 * MATRIX + PARTIAL,
                       [&] { stein_doubling(p.data(), q.data(), c.data(), out.data(), N, 60, 1e-8); });
}

}  // namespace

int main(int, char** argument) {
    const std::string name = argument[1];
    bool clean = false;
    if (name == "inverse") clean = check_inverse();
    if (name == "eliminate_step") clean = check_eliminate_step();
    if (name == "sweep") clean = check_sweep();
    if (name == "columns_step") clean = check_solve(columns_step);
    if (name == "columns_carry") clean = check_solve(columns_carry);
    if (name == "rows_step") clean = check_solve(rows_step);
    if (name == "rows_carry") clean = check_solve(rows_carry);
    if (name == "decimation") clean = check_decimation();
    if (name == "segment_doubling") clean = check_segment_doubling();
    if (name == "stein_doubling") clean = check_stein_doubling();
    std::puts(clean ? "clean" : "wrote past its shared memory, or no such kernel");
    return clean ? 0 : 1;
}
