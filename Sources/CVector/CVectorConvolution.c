#include "CVector.h"

// A product and its sum are one operation where the processor has it, so results repeat to the bit for one level.
#pragma STDC FP_CONTRACT ON
// Functions that take vectors are always inlined, so how vectors are passed does not matter.
#pragma clang diagnostic ignored "-Wpsabi"

#define INLINE static inline __attribute__((always_inline))

typedef CVectorFloat16 Lanes;

INLINE Lanes load(const float *x) {
    Lanes y;
    __builtin_memcpy(&y, x, sizeof y);
    return y;
}

INLINE void store(Lanes x, float *y) { __builtin_memcpy(y, &x, sizeof x); }

/// min(max(x, 0), 6)
INLINE Lanes clamped(Lanes x) {
    const Lanes low = 0, high = 6;
    x = __builtin_elementwise_max(x, low);
    return __builtin_elementwise_min(x, high);
}

/// A panel's sums of `rows` rows, in registers.
INLINE void tile(
    int rows, const struct CVectorPackedMatrix *w, long panel, const float *x, const float *added, float *y) {
    const float *right = w->panels + panel * w->K * CVectorPanelColumns;
    const long K = w->K, xStride = w->xStride, yStride = w->yStride, first = panel * CVectorPanelColumns, used = w->N - first;
    Lanes sums[12];
    for (int i = 0; i < rows; i++) sums[i] = load(w->bias + first);
    for (long k = 0; k < K; k++) {
        Lanes columns = load(right + k * CVectorPanelColumns);
        for (int i = 0; i < rows; i++) sums[i] += x[i * xStride + k] * columns;
    }
    for (int i = 0; i < rows; i++) {
        Lanes sum = w->clamps ? clamped(sums[i]) : sums[i];
        long place = i * yStride + first;
        if (used >= CVectorPanelColumns) {
            store(added ? sum + load(added + place) : sum, y + place);
        } else {
            CVectorStoreFirst(added ? sum + CVectorLoadFirst(added + place, used, 0) : sum, y + place, used);
        }
    }
}

/// Rows that stay in the cache while all panels pass.
enum { RowsAtOnce = 48 };

INLINE void multiply(
    int most, const struct CVectorPackedMatrix *w, const float *x, long firstRow, long lastRow, long firstPanel, long lastPanel,
    const float *added, float *y) {
    for (long start = firstRow; start < lastRow; start += RowsAtOnce) {
        long end = start + RowsAtOnce < lastRow ? start + RowsAtOnce : lastRow;
        for (long panel = firstPanel; panel < lastPanel; panel++) {
            long row = start;
#define ROWS(COUNT)                                                                                                                \
    tile(COUNT, w, panel, x + row * w->xStride, added ? added + row * w->yStride : 0, y + row * w->yStride), row += COUNT
            while (row + most <= end) ROWS(most);
            while (row + 4 <= end) ROWS(4);
            while (row < end) ROWS(1);
#undef ROWS
        }
    }
}

/// One number of 16 channels: the taps that lie within the picture.
INLINE void convolveOne(const struct CVectorDepthwise *w, const float *x, long row, long column, long channel, float *y) {
    const long C = w->channels, top = row * w->stride - w->before, left = column * w->stride - w->before;
    Lanes sum = load(w->bias + channel);
    for (long i = 0; i < w->side; i++) {
        if (top + i < 0 || top + i >= w->height) continue;
        for (long j = 0; j < w->side; j++) {
            if (left + j < 0 || left + j >= w->width) continue;
            sum += load(x + ((top + i) * w->width + left + j) * C + channel) * load(w->weights + (i * w->side + j) * C + channel);
        }
    }
    store(clamped(sum), y + channel);
}

enum { ColumnsAtOnce = 4 };

/// Neighbouring numbers of a row whose taps all lie within the picture's columns share the loaded weights.
INLINE void convolveMany(const struct CVectorDepthwise *w, const float *x, long row, long column, long channel, float *y) {
    const long C = w->channels, top = row * w->stride - w->before, left = column * w->stride - w->before;
    Lanes sums[ColumnsAtOnce];
    for (int t = 0; t < ColumnsAtOnce; t++) sums[t] = load(w->bias + channel);
    for (long i = 0; i < w->side; i++) {
        if (top + i < 0 || top + i >= w->height) continue;
        const float *line = x + ((top + i) * w->width + left) * C + channel;
        for (long j = 0; j < w->side; j++) {
            Lanes weight = load(w->weights + (i * w->side + j) * C + channel);
            for (int t = 0; t < ColumnsAtOnce; t++) sums[t] += load(line + (t * w->stride + j) * C) * weight;
        }
    }
    for (int t = 0; t < ColumnsAtOnce; t++) store(clamped(sums[t]), y + t * C + channel);
}

INLINE void convolve(const struct CVectorDepthwise *w, const float *x, long firstRow, long lastRow, float *y) {
    const long C = w->channels;
    for (long row = firstRow; row < lastRow; row++) {
        for (long column = 0; column < w->outputWidth;) {
            float *to = y + (row * w->outputWidth + column) * C;
            const long left = column * w->stride - w->before;
            const long right = left + (ColumnsAtOnce - 1) * w->stride + w->side;
            if (left >= 0 && right <= w->width && column + ColumnsAtOnce <= w->outputWidth) {
                for (long channel = 0; channel < C; channel += 16) convolveMany(w, x, row, column, channel, to);
                column += ColumnsAtOnce;
            } else {
                for (long channel = 0; channel < C; channel += 16) convolveOne(w, x, row, column, channel, to);
                column++;
            }
        }
    }
}

#define ARGUMENTS w, x, firstRow, lastRow, firstPanel, lastPanel, added, y
#define PARAMETERS                                                                                                                 \
    const struct CVectorPackedMatrix *w, const float *x, long firstRow, long lastRow, long firstPanel, long lastPanel,                \
        const float *added, float *y

static void multiplyPlain(PARAMETERS) { multiply(4, ARGUMENTS); }
static void convolvePlain(const struct CVectorDepthwise *w, const float *x, long firstRow, long lastRow, float *y) {
    convolve(w, x, firstRow, lastRow, y);
}

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma"), min_vector_width(512)))

AVX2 static void multiplyAVX2(PARAMETERS) { multiply(6, ARGUMENTS); }
AVX2 static void convolveAVX2(const struct CVectorDepthwise *w, const float *x, long firstRow, long lastRow, float *y) {
    convolve(w, x, firstRow, lastRow, y);
}

AVX512 static void multiplyAVX512(PARAMETERS) { multiply(12, ARGUMENTS); }
AVX512 static void convolveAVX512(const struct CVectorDepthwise *w, const float *x, long firstRow, long lastRow, float *y) {
    convolve(w, x, firstRow, lastRow, y);
}
#endif

void CVectorMultiplyPacked(int level, PARAMETERS) {
#if defined(__x86_64__)
    if (level >= CVectorVNNI) return multiplyAVX512(ARGUMENTS);
    if (level >= CVectorAVX2) return multiplyAVX2(ARGUMENTS);
#endif
    multiplyPlain(ARGUMENTS);
}

void CVectorConvolveDepthwise(
    int level, const struct CVectorDepthwise *w, const float *x, long firstRow, long lastRow, float *y) {
#if defined(__x86_64__)
    if (level >= CVectorVNNI) return convolveAVX512(w, x, firstRow, lastRow, y);
    if (level >= CVectorAVX2) return convolveAVX2(w, x, firstRow, lastRow, y);
#endif
    convolvePlain(w, x, firstRow, lastRow, y);
}
