#include "CVector.h"

// Results repeat to the bit for one level: sums have a fixed order, whatever the number of rows and vectors.
#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline))

static const unsigned char nothing[64];

INLINE long bytesOfBlock(enum CVectorBlockFormat format) { return format == CVectorQ4_0 ? 18 : format == CVectorQ4_1 ? 20 : 34; }

INLINE unsigned short half(const unsigned char *bytes) {
    unsigned short bits;
    __builtin_memcpy(&bits, bytes, sizeof bits);
    return bits;
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

/// The number of a block at place i, before scaling.
INLINE int number(enum CVectorBlockFormat format, const unsigned char *block, long i) {
    if (format == CVectorQ8_0) return (signed char)block[2 + i];
    const unsigned char *q = block + (format == CVectorQ4_0 ? 2 : 4);
    int nibble = i < 16 ? q[i] & 15 : q[i - 16] >> 4;
    return format == CVectorQ4_0 ? nibble - 8 : nibble;
}

// MARK: Plain

static void quantizePlain(const float *x, long count, signed char *q, float *scales) {
    float largest = 0;
    for (long i = 0; i < count; i++) {
        float size = x[i] < 0 ? -x[i] : x[i];
        if (!(size <= largest)) largest = size;
        if (size != size) break;
    }
    float d = largest / 127, inverse = largest > 0 && d - d == 0 ? 1 / d : 0;
    int sum = 0;
    for (long i = 0; i < 32; i++) {
        int number = i < count && inverse > 0 ? (int)__builtin_rintf(x[i] * inverse) : 0;
        number = number > 127 ? 127 : number < -127 ? -127 : number;
        q[i < 16 ? i : 48 + i] = (signed char)number;
        sum += number;
    }
    scales[0] = d;
    scales[1] = d * (float)sum;
}

static float dotPlain(enum CVectorBlockFormat format, const unsigned char *row, long blocks, const signed char *q, const float *scales) {
    float total = 0;
    for (long b = 0; b < blocks; b++) {
        const unsigned char *block = row + b * bytesOfBlock(format);
        const signed char *x = q + b / 4 * CVectorGroup + b % 4 * 16;
        const float *scale = scales + b / 4 * CVectorGroupScales + b % 4 * 2;
        int sum = 0;
        for (long i = 0; i < 32; i++) sum += number(format, block, i) * x[i < 16 ? i : 48 + i];
        total += floatOfHalf(half(block)) * scale[0] * (float)sum;
        if (format == CVectorQ4_1) total += floatOfHalf(half(block + 2)) * scale[1];
    }
    return total;
}

// MARK: AVX2 and AVX-512

#if defined(__x86_64__)

#define AVX2 __attribute__((target("avx2,fma,f16c")))
#define VNNI __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

AVX2 static void quantizeAVX2(const float *x, signed char *q, float *scales) {
    __m256 v[4];
    __m256i bits = _mm256_setzero_si256(), sign = _mm256_set1_epi32(0x7fffffff);
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_loadu_ps(x + 8 * i);
        // As integers, so that one that is not a number is the largest.
        bits = _mm256_max_epi32(bits, _mm256_and_si256(_mm256_castps_si256(v[i]), sign));
    }
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1));
    float d = _mm_cvtss_f32(_mm_castsi128_ps(four)) / 127;
    float inverse = d > 0 && d - d == 0 ? 1 / d : 0;
    __m256i n[4], sum = _mm256_setzero_si256(), most = _mm256_set1_epi32(127), least = _mm256_set1_epi32(-127);
    __m256 factor = _mm256_set1_ps(inverse);
    for (int i = 0; i < 4; i++) {
        n[i] = inverse > 0 ? _mm256_cvtps_epi32(_mm256_mul_ps(v[i], factor)) : _mm256_setzero_si256();
        n[i] = _mm256_max_epi32(least, _mm256_min_epi32(most, n[i]));
        sum = _mm256_add_epi32(sum, n[i]);
    }
    for (int i = 0; i < 4; i += 2) {
        __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(n[i], n[i + 1]), 0xd8);
        __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        _mm_storeu_si128((__m128i *)(q + 32 * i), bytes);
    }
    four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1));
    scales[0] = d;
    scales[1] = d * (float)_mm_cvtsi128_si32(four);
}

INLINE unsigned word(const unsigned char *bytes) {
    unsigned bits;
    __builtin_memcpy(&bits, bytes, sizeof bits);
    return bits;
}

/// d, m of four blocks, or d twice, as floats.
INLINE AVX2 __m256 headers(enum CVectorBlockFormat format, const unsigned char *const p[4]) {
    if (format == CVectorQ4_1)
        return _mm256_cvtph_ps(_mm_set_epi32((int)word(p[3]), (int)word(p[2]), (int)word(p[1]), (int)word(p[0])));
    return _mm256_cvtph_ps(
        _mm_set_epi32(half(p[3]) * 0x10001, half(p[2]) * 0x10001, half(p[1]) * 0x10001, half(p[0]) * 0x10001));
}

/// The sum of all lanes of `total` and of the odd lanes of `sums`.
INLINE AVX2 float lanes(__m256 total, __m256 sums) {
    total = _mm256_add_ps(total, _mm256_blend_ps(_mm256_setzero_ps(), sums, 0xaa));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(total), _mm256_extractf128_ps(total, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

/// Places of four blocks of a row; blocks beyond its end are zeros.
INLINE void places(const unsigned char *p[4], const unsigned char *row, long first, long blocks, long size) {
    for (long i = 0; i < 4; i++) p[i] = first + i < blocks ? row + (first + i) * size : nothing;
}

INLINE AVX2 float dotAVX2(
    enum CVectorBlockFormat format, const unsigned char *row, long blocks, const signed char *q, const float *scales) {
    const long size = bytesOfBlock(format), start = format == CVectorQ4_1 ? 4 : 2;
    const __m256i low = _mm256_set1_epi8(15), one = _mm256_set1_epi16(1);
    const __m256 offsets = _mm256_setr_ps(1, -8, 1, -8, 1, -8, 1, -8);
    const __m256i first = _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2), second = _mm256_setr_epi32(4, 4, 4, 4, 6, 6, 6, 6);
    __m256 total = _mm256_setzero_ps(), sums = total;
    for (long b = 0; b < blocks; b += 4, q += CVectorGroup, scales += CVectorGroupScales) {
        const unsigned char *p[4];
        places(p, row, b, blocks, size);
        __m256 products = _mm256_mul_ps(headers(format, p), _mm256_loadu_ps(scales));
        if (format == CVectorQ4_0) products = _mm256_mul_ps(products, offsets);
        if (format != CVectorQ8_0) sums = _mm256_add_ps(sums, products);
        for (int pair = 0; pair < 2; pair++) {
            const unsigned char *a = p[2 * pair] + start, *c = p[2 * pair + 1] + start;
            __m256i xLow = _mm256_loadu_si256((const __m256i *)(q + 32 * pair));
            __m256i xHigh = _mm256_loadu_si256((const __m256i *)(q + 64 + 32 * pair)), sum;
            __m256i w = _mm256_inserti128_si256(
                _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a)), _mm_loadu_si128((const __m128i *)c), 1);
            if (format == CVectorQ8_0) {
                __m256i v = _mm256_inserti128_si256(
                    _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(a + 16))), _mm_loadu_si128((const __m128i *)(c + 16)), 1);
                // |w| · (x with the sign of w): two products fit in 16 bits, as |x| ≤ 127.
                sum = _mm256_add_epi32(
                    _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(xLow, w)), one),
                    _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(v), _mm256_sign_epi8(xHigh, v)), one));
            } else {
                __m256i nibbles = _mm256_and_si256(w, low), high = _mm256_and_si256(_mm256_srli_epi16(w, 4), low);
                sum = _mm256_madd_epi16(
                    _mm256_add_epi16(_mm256_maddubs_epi16(nibbles, xLow), _mm256_maddubs_epi16(high, xHigh)), one);
            }
            __m256 scale = _mm256_permutevar8x32_ps(products, pair ? second : first);
            total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), scale, total);
        }
    }
    return lanes(total, sums);
}

/// The 16 bytes at a place of each of four blocks.
INLINE VNNI __m512i four(const unsigned char *const p[4], long place) {
    __m512i x = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(p[0] + place)));
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(p[1] + place)), 1);
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(p[2] + place)), 2);
    return _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(p[3] + place)), 3);
}

/// The numbers of four consecutive blocks of 4 bits, a block after the other; `headers` are as those of `headers`.
INLINE VNNI __m512i fourNibbles(enum CVectorBlockFormat format, const unsigned char *blocks, __m256 *headers) {
    __m512i first = _mm512_loadu_si512(blocks);
    if (format == CVectorQ4_1) {  // 80 bytes: five words a block
        const __m512i numbers = _mm512_setr_epi32(1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14, 28, 29, 30, 31);
        const __m512i scales = _mm512_setr_epi32(0, 5, 10, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        *headers = _mm256_cvtph_ps(_mm512_castsi512_si128(_mm512_permutexvar_epi32(scales, first)));
        return _mm512_permutex2var_epi32(first, numbers, _mm512_loadu_si512(blocks + 16));
    }
    // 72 bytes: nine half words a block
    const __m512i numbers = _mm512_set_epi16(
        63, 62, 61, 60, 31, 30, 29, 28, 26, 25, 24, 23, 22, 21, 20, 19, 17, 16, 15, 14, 13, 12, 11, 10, 8, 7, 6, 5, 4, 3, 2, 1);
    const __m256i scales = _mm256_setr_epi16(0, 0, 9, 9, 18, 18, 27, 27, 0, 0, 0, 0, 0, 0, 0, 0);
    *headers = _mm256_cvtph_ps(_mm512_castsi512_si128(_mm512_permutexvar_epi16(_mm512_castsi256_si512(scales), first)));
    return _mm512_permutex2var_epi16(first, numbers, _mm512_loadu_si512(blocks + 8));
}

INLINE VNNI float dotVNNI(
    enum CVectorBlockFormat format, const unsigned char *row, long blocks, const signed char *q, const float *scales) {
    const long size = bytesOfBlock(format);
    const __m512i low = _mm512_set1_epi8(15), top = _mm512_set1_epi8((char)0x80);
    const __m512i spread = _mm512_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6);
    const float shift = format == CVectorQ4_0 ? -8 : -128;
    const __m256 offsets = _mm256_setr_ps(1, shift, 1, shift, 1, shift, 1, shift);
    __m512 total = _mm512_setzero_ps();
    __m256 sums = _mm256_setzero_ps();
    for (long b = 0; b < blocks; b += 4, q += CVectorGroup, scales += CVectorGroupScales) {
        __m512i a, c;
        __m256 given;
        if (format != CVectorQ8_0 && b + 4 <= blocks) {
            __m512i w = fourNibbles(format, row + b * size, &given);
            a = _mm512_and_si512(w, low);
            c = _mm512_and_si512(_mm512_srli_epi16(w, 4), low);
        } else {
            const unsigned char *p[4];
            places(p, row, b, blocks, size);
            given = headers(format, p);
            if (format == CVectorQ8_0) {  // unsigned numbers q + 128
                a = _mm512_xor_si512(four(p, 2), top);
                c = _mm512_xor_si512(four(p, 18), top);
            } else {
                __m512i w = four(p, format == CVectorQ4_1 ? 4 : 2);
                a = _mm512_and_si512(w, low);
                c = _mm512_and_si512(_mm512_srli_epi16(w, 4), low);
            }
        }
        __m512i sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), a, _mm512_loadu_si512(q));
        sum = _mm512_dpbusd_epi32(sum, c, _mm512_loadu_si512(q + 64));
        __m256 products = _mm256_mul_ps(given, _mm256_loadu_ps(scales));
        if (format != CVectorQ4_1) products = _mm256_mul_ps(products, offsets);
        sums = _mm256_add_ps(sums, products);
        __m512 scale = _mm512_permutexvar_ps(spread, _mm512_castps256_ps512(products));
        total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, total);
    }
    return lanes(_mm256_add_ps(_mm512_castps512_ps256(total), _mm512_extractf32x8_ps(total, 1)), sums);
}

#define MULTIPLY(NAME, TARGET, DOT)                                                                                                \
    TARGET static void NAME(                                                                                                       \
        const struct CVectorBlockMatrix *w, long first, long last, const signed char *q, const float *scales, long count, float *y, \
        long stride) {                                                                                                             \
        const long blocks = w->blocksInRow, groups = (blocks + 3) / 4;                                                             \
        for (long row = first; row < last; row++) {                                                                                \
            const unsigned char *start = w->blocks + (w->order ? w->order[row] : row) * blocks * bytesOfBlock(w->format);          \
            for (long t = 0; t < count; t++) {                                                                                     \
                const signed char *x = q + t * groups * CVectorGroup;                                                              \
                const float *s = scales + t * groups * CVectorGroupScales;                                                         \
                float *to = y + t * stride + row;                                                                                  \
                switch (w->format) {                                                                                               \
                    case CVectorQ4_0: *to += DOT(CVectorQ4_0, start, blocks, x, s); break;                                         \
                    case CVectorQ4_1: *to += DOT(CVectorQ4_1, start, blocks, x, s); break;                                         \
                    case CVectorQ8_0: *to += DOT(CVectorQ8_0, start, blocks, x, s); break;                                         \
                }                                                                                                                  \
            }                                                                                                                      \
        }                                                                                                                          \
    }

MULTIPLY(multiplyAVX2, AVX2, dotAVX2)
MULTIPLY(multiplyVNNI, VNNI, dotVNNI)

// A product with many vectors. Sixteen rows are unpacked to a panel of unsigned numbers (blocks, 8, 16 rows, 4 columns) with their scales
// and offsets, (blocks, 16 rows): then a vector's 4 columns, in all lanes, are multiplied by all rows at once.

enum { panelRows = 16, panelBlock = 32 * panelRows };

static void unpack(
    const struct CVectorBlockMatrix *w, long first, long rows, unsigned char *panel, float *d, float *m) {
    const long size = bytesOfBlock(w->format);
    for (long r = 0; r < panelRows; r++) {
        const unsigned char *row = r < rows ? w->blocks + (w->order ? w->order[first + r] : first + r) * w->blocksInRow * size : nothing;
        for (long b = 0; b < w->blocksInRow; b++) {
            const unsigned char *block = r < rows ? row + b * size : nothing;
            unsigned words[8];
            if (w->format == CVectorQ8_0) {
                __builtin_memcpy(words, block + 2, 32);
                for (int j = 0; j < 8; j++) words[j] ^= 0x80808080;
            } else {
                __builtin_memcpy(words, block + (w->format == CVectorQ4_1 ? 4 : 2), 16);
                for (int j = 0; j < 4; j++) {
                    words[4 + j] = words[j] >> 4 & 0x0f0f0f0f;
                    words[j] &= 0x0f0f0f0f;
                }
            }
            for (int j = 0; j < 8; j++) __builtin_memcpy(panel + b * panelBlock + j * 64 + r * 4, words + j, 4);
            float scale = floatOfHalf(half(block));
            d[b * panelRows + r] = scale;
            m[b * panelRows + r] =
                w->format == CVectorQ4_1 ? floatOfHalf(half(block + 2)) : scale * (w->format == CVectorQ4_0 ? -8 : -128);
        }
    }
}

/// The 4 columns at place j of a block, in all lanes; see CVectorQuantizeBlocks.
INLINE int columns(const signed char *block, int j) { return (int)word((const unsigned char *)block + (j < 4 ? 4 * j : 48 + 4 * j)); }

/// Adds the first `rows` lanes to y.
INLINE void addLanes(const float *sums, long rows, float *y) {
    for (long r = 0; r < rows; r++) y[r] += sums[r];
}

struct Panel {
    const unsigned char *numbers;
    const float *d, *m;
    long blocks, rows;
};

INLINE VNNI void manyVNNI(
    int T, const struct Panel *w, const signed char *q, const float *scales, long groups, float *y, long stride) {
    __m512 total[8];
    for (int t = 0; t < T; t++) total[t] = _mm512_setzero_ps();
    for (long b = 0; b < w->blocks; b++) {
        const signed char *x = q + b / 4 * CVectorGroup + b % 4 * 16;
        const float *s = scales + b / 4 * CVectorGroupScales + b % 4 * 2;
        __m512i sum[8];
        for (int t = 0; t < T; t++) sum[t] = _mm512_setzero_si512();
        for (int j = 0; j < 8; j++) {
            __m512i numbers = _mm512_loadu_si512(w->numbers + b * panelBlock + j * 64);
            for (int t = 0; t < T; t++)
                sum[t] = _mm512_dpbusd_epi32(sum[t], numbers, _mm512_set1_epi32(columns(x + t * groups * CVectorGroup, j)));
        }
        __m512 d = _mm512_loadu_ps(w->d + b * panelRows), m = _mm512_loadu_ps(w->m + b * panelRows);
        for (int t = 0; t < T; t++) {
            __m512 scale = _mm512_mul_ps(d, _mm512_set1_ps(s[t * groups * CVectorGroupScales]));
            total[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[t]), scale, total[t]);
            total[t] = _mm512_fmadd_ps(m, _mm512_set1_ps(s[t * groups * CVectorGroupScales + 1]), total[t]);
        }
    }
    for (int t = 0; t < T; t++) {
        if (w->rows == panelRows) {
            _mm512_storeu_ps(y + t * stride, _mm512_add_ps(_mm512_loadu_ps(y + t * stride), total[t]));
        } else {
            float sums[panelRows];
            _mm512_storeu_ps(sums, total[t]);
            addLanes(sums, w->rows, y + t * stride);
        }
    }
}

/// Numbers of 4 bits only: the sums of 32 products fit in 16 bits, four to a lane.
INLINE AVX2 void manyAVX2(
    int T, const struct Panel *w, const signed char *q, const float *scales, long groups, float *y, long stride) {
    __m256 total[4][2];
    const __m256i one = _mm256_set1_epi16(1);
    for (int t = 0; t < T; t++) total[t][0] = total[t][1] = _mm256_setzero_ps();
    for (long b = 0; b < w->blocks; b++) {
        const signed char *x = q + b / 4 * CVectorGroup + b % 4 * 16;
        const float *s = scales + b / 4 * CVectorGroupScales + b % 4 * 2;
        __m256i sum[4][2];
        for (int t = 0; t < T; t++) sum[t][0] = sum[t][1] = _mm256_setzero_si256();
        for (int j = 0; j < 8; j++) {
            const unsigned char *numbers = w->numbers + b * panelBlock + j * 64;
            __m256i low = _mm256_loadu_si256((const __m256i *)numbers), high = _mm256_loadu_si256((const __m256i *)(numbers + 32));
            for (int t = 0; t < T; t++) {
                __m256i four = _mm256_set1_epi32(columns(x + t * groups * CVectorGroup, j));
                sum[t][0] = _mm256_add_epi16(sum[t][0], _mm256_maddubs_epi16(low, four));
                sum[t][1] = _mm256_add_epi16(sum[t][1], _mm256_maddubs_epi16(high, four));
            }
        }
        for (int i = 0; i < 2; i++) {
            __m256 d = _mm256_loadu_ps(w->d + b * panelRows + 8 * i), m = _mm256_loadu_ps(w->m + b * panelRows + 8 * i);
            for (int t = 0; t < T; t++) {
                __m256 scale = _mm256_mul_ps(d, _mm256_set1_ps(s[t * groups * CVectorGroupScales]));
                total[t][i] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(_mm256_madd_epi16(sum[t][i], one)), scale, total[t][i]);
                total[t][i] = _mm256_fmadd_ps(m, _mm256_set1_ps(s[t * groups * CVectorGroupScales + 1]), total[t][i]);
            }
        }
    }
    for (int t = 0; t < T; t++) {
        float sums[panelRows];
        _mm256_storeu_ps(sums, total[t][0]);
        _mm256_storeu_ps(sums + 8, total[t][1]);
        addLanes(sums, w->rows, y + t * stride);
    }
}

#define MANY(NAME, TARGET, KERNEL, MOST)                                                                                           \
    TARGET static void NAME(                                                                                                       \
        const struct Panel *w, const signed char *q, const float *scales, long count, long groups, float *y, long stride) {        \
        long t = 0;                                                                                                                \
        while (t < count) {                                                                                                        \
            const signed char *x = q + t * groups * CVectorGroup;                                                                  \
            const float *s = scales + t * groups * CVectorGroupScales;                                                             \
            float *to = y + t * stride;                                                                                            \
            long left = count - t, T = left >= MOST ? MOST : left >= 2 ? 2 : 1;                                                    \
            switch (T) {                                                                                                           \
                case MOST: KERNEL(MOST, w, x, s, groups, to, stride); break;                                                       \
                case 2: KERNEL(2, w, x, s, groups, to, stride); break;                                                             \
                default: KERNEL(1, w, x, s, groups, to, stride); break;                                                            \
            }                                                                                                                      \
            t += T;                                                                                                                \
        }                                                                                                                          \
    }

MANY(panelVNNI, VNNI, manyVNNI, 6)
MANY(panelAVX2, AVX2, manyAVX2, 4)

AVX2 static void decodeAVX2(enum CVectorBlockFormat format, const unsigned char *blocks, long count, float *y) {
    const __m128i low = _mm_set1_epi8(15), eight = _mm_set1_epi8(8);
    for (long b = 0; b < count; b++, blocks += bytesOfBlock(format), y += 32) {
        __m256 d = _mm256_set1_ps(_cvtsh_ss(half(blocks))), m = _mm256_setzero_ps();
        __m128i parts[2];
        if (format == CVectorQ8_0) {
            parts[0] = _mm_loadu_si128((const __m128i *)(blocks + 2));
            parts[1] = _mm_loadu_si128((const __m128i *)(blocks + 18));
        } else {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(blocks + (format == CVectorQ4_0 ? 2 : 4)));
            parts[0] = _mm_and_si128(bytes, low);
            parts[1] = _mm_and_si128(_mm_srli_epi16(bytes, 4), low);
            if (format == CVectorQ4_0)
                for (int i = 0; i < 2; i++) parts[i] = _mm_sub_epi8(parts[i], eight);
            else
                m = _mm256_set1_ps(_cvtsh_ss(half(blocks + 2)));
        }
        for (int i = 0; i < 4; i++) {
            __m128i bytes = i % 2 ? _mm_srli_si128(parts[i / 2], 8) : parts[i / 2];
            __m256 numbers = _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)));
            _mm256_storeu_ps(y + 8 * i, format == CVectorQ4_1 ? _mm256_add_ps(numbers, m) : numbers);
        }
    }
}

AVX2 static void decodeHalvesAVX2(const unsigned char *halves, long count, float *y) {
    long i = 0;
    for (; i + 8 <= count; i += 8) _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(halves + 2 * i))));
    for (; i < count; i++) y[i] = _cvtsh_ss(half(halves + 2 * i));
}

/// Scores of `tiles` tiles, all sums in registers.
INLINE AVX2 void scoreTiles(int tiles, const float *q, const float *keys, long D, float scale, float *scores) {
    __m256 sums[8];
    for (int v = 0; v < 2 * tiles; v++) sums[v] = _mm256_setzero_ps();
    for (long d = 0; d < D; d++) {
        __m256 left = _mm256_broadcast_ss(q + d);
        for (int v = 0; v < 2 * tiles; v++)
            sums[v] = _mm256_fmadd_ps(left, _mm256_loadu_ps(keys + v / 2 * 16 * D + d * 16 + v % 2 * 8), sums[v]);
    }
    for (int v = 0; v < 2 * tiles; v++) _mm256_storeu_ps(scores + v * 8, _mm256_mul_ps(_mm256_set1_ps(scale), sums[v]));
}

AVX2 static void scoresAVX2(const float *q, const float *tiles, long tileCount, long D, float scale, float *scores) {
    long t = 0;
    for (; t + 4 <= tileCount; t += 4) scoreTiles(4, q, tiles + t * 16 * D, D, scale, scores + t * 16);
    for (; t < tileCount; t++) scoreTiles(1, q, tiles + t * 16 * D, D, scale, scores + t * 16);
}

INLINE AVX2 void mixColumns(int vectors, const float *p, const float *v, long count, long D, float *y) {
    __m256 sums[8];
    for (int j = 0; j < vectors; j++) sums[j] = _mm256_setzero_ps();
    for (long s = 0; s < count; s++) {
        __m256 left = _mm256_broadcast_ss(p + s);
        for (int j = 0; j < vectors; j++) sums[j] = _mm256_fmadd_ps(left, _mm256_loadu_ps(v + s * D + 8 * j), sums[j]);
    }
    for (int j = 0; j < vectors; j++) _mm256_storeu_ps(y + 8 * j, sums[j]);
}

AVX2 static void mixAVX2(const float *p, const float *v, long count, long D, float *y) {
    long c = 0;
    for (; c + 64 <= D; c += 64) mixColumns(8, p, v + c, count, D, y + c);
    for (; c + 8 <= D; c += 8) mixColumns(1, p, v + c, count, D, y + c);
    for (; c < D; c++) {
        y[c] = 0;
        for (long s = 0; s < count; s++) y[c] += p[s] * v[s * D + c];
    }
}

int CVectorBestLevel(void) {
    if (!CVectorHasAVX2() || !__builtin_cpu_supports("f16c")) return CVectorPlain;
    int hasVNNI = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
    return hasVNNI ? CVectorVNNI : CVectorAVX2;
}

#else

int CVectorBestLevel(void) { return CVectorPlain; }

#endif

// MARK: Choices

void CVectorQuantizeBlocks(int level, const float *x, long count, signed char *q, float *scales) {
    const long blocks = (count + 31) / 32, all = (blocks + 3) / 4 * 4;
    for (long b = 0; b < all; b++) {
        signed char *to = q + b / 4 * CVectorGroup + b % 4 * 16;
        float *scale = scales + b / 4 * CVectorGroupScales + b % 4 * 2;
        long used = b >= blocks ? 0 : count - b * 32 < 32 ? count - b * 32 : 32;
#if defined(__x86_64__)
        if (used == 32 && level >= CVectorAVX2) {
            quantizeAVX2(x + b * 32, to, scale);
            continue;
        }
#endif
        quantizePlain(x + b * 32, used, to, scale);
    }
}

void CVectorMultiplyBlocks(
    int level, const struct CVectorBlockMatrix *w, long first, long last, const signed char *q, const float *scales, long count, float *y,
    long stride) {
#if defined(__x86_64__)
    if (level >= CVectorVNNI) return multiplyVNNI(w, first, last, q, scales, count, y, stride);
    if (level >= CVectorAVX2) return multiplyAVX2(w, first, last, q, scales, count, y, stride);
#endif
    const long groups = (w->blocksInRow + 3) / 4;
    for (long row = first; row < last; row++) {
        const unsigned char *start = w->blocks + (w->order ? w->order[row] : row) * w->blocksInRow * bytesOfBlock(w->format);
        for (long t = 0; t < count; t++)
            y[t * stride + row] += dotPlain(
                w->format, start, w->blocksInRow, q + t * groups * CVectorGroup, scales + t * groups * CVectorGroupScales);
    }
}

int CVectorMultipliesMany(int level, const struct CVectorBlockMatrix *w) {
    return w->blocksInRow <= CVectorPanelBlocks && (level >= CVectorVNNI || (level >= CVectorAVX2 && w->format != CVectorQ8_0));
}

void CVectorMultiplyMany(
    int level, const struct CVectorBlockMatrix *w, long first, long last, const signed char *q, const float *scales, long count, float *y,
    long stride, unsigned char *panel) {
#if defined(__x86_64__)
    const long groups = (w->blocksInRow + 3) / 4;
    float *d = (float *)(panel + w->blocksInRow * panelBlock), *m = d + w->blocksInRow * panelRows;
    for (long row = first; row < last; row += panelRows) {
        long rows = last - row < panelRows ? last - row : panelRows;
        struct Panel part = {panel, d, m, w->blocksInRow, rows};
        unpack(w, row, rows, panel, d, m);
        if (level >= CVectorVNNI)
            panelVNNI(&part, q, scales, count, groups, y + row, stride);
        else
            panelAVX2(&part, q, scales, count, groups, y + row, stride);
    }
#endif
}

void CVectorDecodeBlocks(int level, enum CVectorBlockFormat format, const unsigned char *blocks, long count, float *y) {
#if defined(__x86_64__)
    if (level >= CVectorAVX2) return decodeAVX2(format, blocks, count, y);
#endif
    for (long b = 0; b < count; b++, blocks += bytesOfBlock(format), y += 32) {
        float d = floatOfHalf(half(blocks)), m = format == CVectorQ4_1 ? floatOfHalf(half(blocks + 2)) : 0;
        for (long i = 0; i < 32; i++) y[i] = d * (float)number(format, blocks, i) + m;
    }
}

void CVectorDecodeHalves(int level, const unsigned char *halves, long count, float *y) {
#if defined(__x86_64__)
    if (level >= CVectorAVX2) return decodeHalvesAVX2(halves, count, y);
#endif
    for (long i = 0; i < count; i++) y[i] = floatOfHalf(half(halves + 2 * i));
}

void CVectorScores(int level, const float *q, const float *tiles, long tileCount, long D, float scale, float *scores) {
#if defined(__x86_64__)
    if (level >= CVectorAVX2) return scoresAVX2(q, tiles, tileCount, D, scale, scores);
#endif
    for (long s = 0; s < tileCount * 16; s++) {
        float sum = 0;
        for (long d = 0; d < D; d++) sum += q[d] * tiles[s / 16 * 16 * D + d * 16 + s % 16];
        scores[s] = scale * sum;
    }
}

void CVectorMix(int level, const float *p, const float *v, long count, long D, float *y) {
#if defined(__x86_64__)
    if (level >= CVectorAVX2) return mixAVX2(p, v, count, D, y);
#endif
    for (long c = 0; c < D; c++) {
        float sum = 0;
        for (long s = 0; s < count; s++) sum += p[s] * v[s * D + c];
        y[c] = sum;
    }
}
