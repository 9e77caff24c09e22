// Scalars of the kernels: float, double, and a complex type of our own that g++, nvcc and NVRTC all know.
#pragma once

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define NEGFADJ_FN __device__ __forceinline__
#define NEGFADJ_UNROLL _Pragma("unroll")
#else
#define NEGFADJ_FN inline
#define NEGFADJ_UNROLL
#endif

namespace negfadj {

template <class R>
struct alignas(2 * sizeof(R)) Complex {
    R re, im;
};

template <class T>
struct RealOf {
    using type = T;
};
template <class R>
struct RealOf<Complex<R>> {
    using type = R;
};
template <class T>
using real_of = typename RealOf<T>::type;

template <class R>
NEGFADJ_FN Complex<R> operator+(Complex<R> a, Complex<R> b) { return {a.re + b.re, a.im + b.im}; }
template <class R>
NEGFADJ_FN Complex<R> operator-(Complex<R> a, Complex<R> b) { return {a.re - b.re, a.im - b.im}; }
template <class R>
NEGFADJ_FN Complex<R> operator-(Complex<R> a) { return {-a.re, -a.im}; }
template <class R>
NEGFADJ_FN Complex<R> operator*(Complex<R> a, Complex<R> b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
template <class R>
NEGFADJ_FN Complex<R> operator*(R a, Complex<R> b) { return {a * b.re, a * b.im}; }
template <class R>
NEGFADJ_FN Complex<R> operator*(Complex<R> a, R b) { return {a.re * b, a.im * b}; }

NEGFADJ_FN float conjugate(float x) { return x; }
NEGFADJ_FN double conjugate(double x) { return x; }
template <class R>
NEGFADJ_FN Complex<R> conjugate(Complex<R> x) { return {x.re, -x.im}; }

// A number of the kernel's scalar type T from a real one, or from one of its own.
template <class T>
struct As {
    static NEGFADJ_FN T of(T x) { return x; }
};
template <class R>
struct As<Complex<R>> {
    static NEGFADJ_FN Complex<R> of(R x) { return {x, R(0)}; }
    static NEGFADJ_FN Complex<R> of(Complex<R> x) { return x; }
};
template <class T>
NEGFADJ_FN T zero() { return As<T>::of(real_of<T>(0)); }

NEGFADJ_FN float absolute(float x) { return x < 0 ? -x : x; }
NEGFADJ_FN double absolute(double x) { return x < 0 ? -x : x; }

// |Re| + |Im|: between |x| and √2 |x|, without a root.
NEGFADJ_FN float size_of(float x) { return absolute(x); }
NEGFADJ_FN double size_of(double x) { return absolute(x); }
template <class R>
NEGFADJ_FN R size_of(Complex<R> x) { return absolute(x.re) + absolute(x.im); }

// |x|².
NEGFADJ_FN float square_of(float x) { return x * x; }
NEGFADJ_FN double square_of(double x) { return x * x; }
template <class R>
NEGFADJ_FN R square_of(Complex<R> x) { return x.re * x.re + x.im * x.im; }

// 1/x; not a number in both parts for x = 0, so that a singular matrix has no finite entry left.
template <class R>
NEGFADJ_FN R real_reciprocal(R x) { return x == R(0) ? R(0) / x : R(1) / x; }
NEGFADJ_FN float reciprocal(float x) { return real_reciprocal(x); }
NEGFADJ_FN double reciprocal(double x) { return real_reciprocal(x); }
template <class R>
NEGFADJ_FN Complex<R> reciprocal(Complex<R> x) {
    if (absolute(x.re) >= absolute(x.im)) {  // Smith's quotient: no overflow of |x|²
        R ratio = x.im / x.re, scale = R(1) / (x.re + x.im * ratio);
        return {scale, -ratio * scale};
    }
    R ratio = x.re / x.im, scale = R(1) / (x.im + x.re * ratio);
    return {ratio * scale, -scale};
}

// sum += a b, as fused multiply-adds where the compiler has them.
template <class R>
NEGFADJ_FN void accumulate(R& sum, R a, R b) { sum += a * b; }
template <class R>
NEGFADJ_FN void accumulate(Complex<R>& sum, R a, Complex<R> b) {
    sum.re += a * b.re;
    sum.im += a * b.im;
}
template <class R>
NEGFADJ_FN void accumulate(Complex<R>& sum, Complex<R> a, R b) {
    sum.re += a.re * b;
    sum.im += a.im * b;
}
template <class R>
NEGFADJ_FN void accumulate(Complex<R>& sum, Complex<R> a, Complex<R> b) {
    sum.re += a.re * b.re;
    sum.re -= a.im * b.im;
    sum.im += a.re * b.im;
    sum.im += a.im * b.re;
}

}  // namespace negfadj
