#pragma once

/// Matrices in blocks of 32 quantised numbers, as they lie in GGUF files, and their products with vectors of 8-bit integers.
/// https://github.com/ggml-org/ggml/blob/master/src/ggml-quants.c

/// The formats. d is a block's scale and m its offset, in half precision; q are 32 numbers of 4 bits, first the low halves of 16 bytes,
/// then their high halves, or of 8 bits with a sign.
enum CVectorBlockFormat {
    /// d, q; w = d · (q − 8); 18 bytes
    CVectorQ4_0 = 2,
    /// d, m, q; w = d · q + m; 20 bytes
    CVectorQ4_1 = 3,
    /// d, q; w = d · q; 34 bytes
    CVectorQ8_0 = 8,
};

/// The instructions that a kernel uses; each needs those before it.
enum CVectorLevel {
    CVectorPlain = 0,
    CVectorAVX2 = 1,
    /// AVX-512 with VNNI.
    CVectorVNNI = 2,
};

/// The best level that this processor has.
int CVectorBestLevel(void);

/// The columns that a vector's 8-bit integers are grouped by, and the scales of a group: d and d · Σ q of four blocks.
enum { CVectorGroup = 128, CVectorGroupScales = 8 };

/// Quantises a vector in blocks of 32: x ≈ d · q with |q| ≤ 127. The last group is filled with zeros. A number that is not finite makes
/// its block's scale not finite.
///
/// q has ⌈count / 128⌉ groups: the first 16 numbers of each of four blocks, then their last 16; scales has 8 numbers for each group.
void CVectorQuantizeBlocks(int level, const float *x, long count, signed char *q, float *scales);

/// Some rows of a matrix in blocks.
struct CVectorBlockMatrix {
    const unsigned char *blocks;
    /// For every row, its place in memory; NULL if the order is the same.
    const int *order;
    /// Blocks in a row.
    long blocksInRow;
    enum CVectorBlockFormat format;
};

/// y[t · stride + row] += w[row] · x[t] for rows first ..< last of w and each of `count` vectors, quantised one after the other.
void CVectorMultiplyBlocks(
    int level, const struct CVectorBlockMatrix *w, long first, long last, const signed char *q, const float *scales, long count, float *y,
    long stride);

/// The most blocks in a row, and the bytes for each, of the panel of the product with many vectors.
enum { CVectorPanelBlocks = 1 << 12, CVectorPanelBytes = 640 };

/// Whether there is a kernel for many vectors.
int CVectorMultipliesMany(int level, const struct CVectorBlockMatrix *w);

/// The same product, faster for many vectors. `panel` is memory for CVectorPanelBytes for each block in a row, aligned as floats.
void CVectorMultiplyMany(
    int level, const struct CVectorBlockMatrix *w, long first, long last, const signed char *q, const float *scales, long count, float *y,
    long stride, unsigned char *panel);

/// Decodes consecutive blocks to 32 numbers each.
void CVectorDecodeBlocks(int level, enum CVectorBlockFormat format, const unsigned char *blocks, long count, float *y);

/// Decodes numbers in half precision.
void CVectorDecodeHalves(int level, const unsigned char *halves, long count, float *y);

/// Attention of a query (D) to the keys of a cache, which are in tiles (D, 16): scores[16 t + j] = scale · Σ q[d] tile t[d][j].
void CVectorScores(int level, const float *q, const float *tiles, long tileCount, long D, float scale, float *scores);

/// y = Σ p[s] v[s] over `count` rows of v (count, D).
void CVectorMix(int level, const float *p, const float *v, long count, long D, float *y);
