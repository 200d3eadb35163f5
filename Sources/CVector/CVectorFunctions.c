#include "CVector.h"

#include <math.h>

// A product and its sum are one operation where the processor has it, so results repeat to the bit for one level.
#pragma STDC FP_CONTRACT ON
// Functions that take vectors are always inlined, so how vectors are passed does not matter.
#pragma clang diagnostic ignored "-Wpsabi"

#define INLINE static inline __attribute__((always_inline))

typedef CVectorFloat16 Lanes;
typedef _Float16 Halves __attribute__((ext_vector_type(16)));
typedef int Integers __attribute__((ext_vector_type(16)));

INLINE Lanes load(const float *x) {
    Lanes y;
    __builtin_memcpy(&y, x, sizeof y);
    return y;
}

INLINE void store(Lanes x, float *y) { __builtin_memcpy(y, &x, sizeof x); }

/// Halves are added to halves, so the order is the same at every level.
INLINE float total(Lanes x) {
    __attribute__((ext_vector_type(8))) float eight = x.lo + x.hi;
    __attribute__((ext_vector_type(4))) float four = eight.lo + eight.hi;
    __attribute__((ext_vector_type(2))) float two = four.lo + four.hi;
    return two.x + two.y;
}

/// eˣ for x ≤ 0, to about 1.2e-7 relative: x = n · ln 2 + r, a polynomial for eʳ (Cephes, https://netlib.org/cephes), n added to the
/// exponent.
INLINE Lanes exponential(Lanes x) {
    const Lanes lowest = -87.33f, magic = 12582912;  // adding 1.5 · 2²³ rounds to an integer and leaves it in the low bits
    // What is not a number stays one, which a maximum of vectors would not say.
    x = x < lowest ? lowest : x;
    Lanes shifted = x * 1.44269504f + magic, n = shifted - magic;
    Lanes r = x - n * 0.693359375f + n * 2.12194440e-4f;
    Lanes p = r * 1.98756915e-4f + 1.39819995e-3f;
    p = p * r + 8.33345190e-3f;
    p = p * r + 4.16657960e-2f;
    p = p * r + 1.66666655e-1f;
    p = p * r + 0.5f;
    p = p * (r * r) + r + 1;
    Integers bits, exponent;
    __builtin_memcpy(&bits, &p, sizeof bits);
    __builtin_memcpy(&exponent, &shifted, sizeof exponent);
    bits += exponent << 23;
    __builtin_memcpy(&p, &bits, sizeof p);
    return p;
}

/// x · Φ(x) with 1 − erf(z) = (a₁t + … + a₅t⁵) e^(−z²), t = 1 / (1 + pz), z ≥ 0: Abramowitz and Stegun, 7.1.26.
INLINE Lanes gelu(Lanes x) {
    Lanes z = __builtin_elementwise_abs(x) * 0.707106781f, t = 1 / (1 + z * 0.3275911f);
    Lanes p = t * 1.061405429f - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    Lanes rest = p * t * exponential(-z * z) * 0.5f;
    return x * (x < 0 ? rest : 1 - rest);
}

INLINE void gelus(float *x, long count) {
    long i = 0;
    for (; i + 16 <= count; i += 16) store(gelu(load(x + i)), x + i);
    if (i < count) CVectorStoreFirst(gelu(CVectorLoadFirst(x + i, count - i, 0)), x + i, count - i);
}

INLINE void softmax(float *x, long count) {
    Lanes peaks = -INFINITY;
    long i = 0, rest = count % 16;
    for (; i + 16 <= count; i += 16) peaks = __builtin_elementwise_max(peaks, load(x + i));
    if (rest) peaks = __builtin_elementwise_max(peaks, CVectorLoadFirst(x + i, rest, -INFINITY));
    float peak = peaks[0];
    for (int lane = 1; lane < 16; lane++) peak = peaks[lane] > peak ? peaks[lane] : peak;
    Lanes sums = 0;
    for (i = 0; i + 16 <= count; i += 16) {
        Lanes y = exponential(load(x + i) - peak);
        sums += y;
        store(y, x + i);
    }
    if (rest) {
        Lanes y = exponential(CVectorLoadFirst(x + i, rest, peak) - peak);
        CVectorStoreFirst(y, x + i, rest);
        sums += CVectorLoadFirst(x + i, rest, 0);
    }
    const float factor = 1 / total(sums);
    for (i = 0; i + 16 <= count; i += 16) store(load(x + i) * factor, x + i);
    for (; i < count; i++) x[i] *= factor;
}

INLINE void normalize(const float *x, long rows, long C, float epsilon, const float *weight, const float *bias, float *y) {
    for (long row = 0; row < rows; row++, x += C, y += C) {
        Lanes sums = 0, squares = 0;
        for (long c = 0; c < C; c += 16) sums += load(x + c);
        const float mean = total(sums) / (float)C;
        for (long c = 0; c < C; c += 16) {
            Lanes difference = load(x + c) - mean;
            squares += difference * difference;
        }
        const float factor = 1 / __builtin_sqrtf(total(squares) / (float)C + epsilon);
        for (long c = 0; c < C; c += 16) store((load(x + c) - mean) * factor * load(weight + c) + load(bias + c), y + c);
    }
}

INLINE float floatOfHalf(unsigned short bits) {
    unsigned sign = (unsigned)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3ff, word;
    if (exponent == 0) {
        float small = (float)fraction * 0x1p-24f;
        return sign ? -small : small;
    }
    word = sign | (exponent == 31 ? 0x7f800000 : (exponent + 112) << 23) | fraction << 13;
    float y;
    __builtin_memcpy(&y, &word, sizeof y);
    return y;
}

/// Sixteen numbers in half precision, by the processor's own conversion if it has one.
INLINE Lanes halves(int converts, const unsigned short *x) {
    Lanes y;
    if (converts) {
        Halves halves;
        __builtin_memcpy(&halves, x, sizeof halves);
        return __builtin_convertvector(halves, Lanes);
    }
    for (int lane = 0; lane < 16; lane++) y[lane] = floatOfHalf(x[lane]);
    return y;
}

INLINE void finish(const struct CVectorHalfMatrix *w, long panel, Lanes sum, const float *added, float *y) {
    const long first = panel * CVectorPanelColumns, used = w->N - first;
    if (used >= CVectorPanelColumns) {
        store(added ? sum + load(added + first) : sum, y + first);
    } else {
        CVectorStoreFirst(added ? sum + CVectorLoadFirst(added + first, used, 0) : sum, y + first, used);
    }
}

/// Some panels, read side by side because one sum alone would wait for itself.
INLINE void panels(
    int count, int converts, const struct CVectorHalfMatrix *w, const float *x, long panel, const float *added, float *y) {
    const long K = w->K;
    const unsigned short *right = w->panels + panel * K * CVectorPanelColumns;
    Lanes sums[4];
    for (int i = 0; i < count; i++) sums[i] = load(w->bias + (panel + i) * CVectorPanelColumns);
    for (long k = 0; k < K; k++)
        for (int i = 0; i < count; i++) sums[i] += x[k] * halves(converts, right + (i * K + k) * CVectorPanelColumns);
    for (int i = 0; i < count; i++) finish(w, panel + i, sums[i], added, y);
}

INLINE void multiplyHalves(
    int converts, const struct CVectorHalfMatrix *w, const float *x, long firstPanel, long lastPanel, const float *added, float *y) {
    long panel = firstPanel;
    for (; panel + 4 <= lastPanel; panel += 4) panels(4, converts, w, x, panel, added, y);
    for (; panel < lastPanel; panel++) panels(1, converts, w, x, panel, added, y);
}

#define HALVES_PARAMETERS                                                                                                          \
    const struct CVectorHalfMatrix *w, const float *x, long firstPanel, long lastPanel, const float *added, float *y
#define NORMALIZE_PARAMETERS const float *x, long rows, long C, float epsilon, const float *weight, const float *bias, float *y

static void multiplyHalvesPlain(HALVES_PARAMETERS) { multiplyHalves(0, w, x, firstPanel, lastPanel, added, y); }
static void geluPlain(float *x, long count) { gelus(x, count); }
static void softmaxPlain(float *x, long count) { softmax(x, count); }
static void normalizePlain(NORMALIZE_PARAMETERS) { normalize(x, rows, C, epsilon, weight, bias, y); }

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,fma,f16c")))
#define AVX512 __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,f16c"), min_vector_width(512)))

AVX2 static void multiplyHalvesAVX2(HALVES_PARAMETERS) { multiplyHalves(1, w, x, firstPanel, lastPanel, added, y); }
AVX2 static void geluAVX2(float *x, long count) { gelus(x, count); }
AVX2 static void softmaxAVX2(float *x, long count) { softmax(x, count); }
AVX2 static void normalizeAVX2(NORMALIZE_PARAMETERS) { normalize(x, rows, C, epsilon, weight, bias, y); }

AVX512 static void multiplyHalvesAVX512(HALVES_PARAMETERS) { multiplyHalves(1, w, x, firstPanel, lastPanel, added, y); }
AVX512 static void geluAVX512(float *x, long count) { gelus(x, count); }
AVX512 static void softmaxAVX512(float *x, long count) { softmax(x, count); }
AVX512 static void normalizeAVX512(NORMALIZE_PARAMETERS) { normalize(x, rows, C, epsilon, weight, bias, y); }

#define BY_LEVEL(NAME, ...)                                                                                                        \
    if (level >= CVectorVNNI) return NAME##AVX512(__VA_ARGS__);                                                                    \
    if (level >= CVectorAVX2) return NAME##AVX2(__VA_ARGS__);                                                                      \
    NAME##Plain(__VA_ARGS__)
#else
#define BY_LEVEL(NAME, ...) NAME##Plain(__VA_ARGS__)
#endif

void CVectorGelu(int level, float *x, long count) { BY_LEVEL(gelu, x, count); }
void CVectorSoftmax(int level, float *x, long count) { BY_LEVEL(softmax, x, count); }
void CVectorNormalize(int level, NORMALIZE_PARAMETERS) { BY_LEVEL(normalize, x, rows, C, epsilon, weight, bias, y); }
void CVectorMultiplyHalves(int level, HALVES_PARAMETERS) { BY_LEVEL(multiplyHalves, w, x, firstPanel, lastPanel, added, y); }
