/* Products of matrices of float32, one of them packed. No number's arithmetic depends on where in memory it lies or on how many
 * rows are computed at once: each is a sum over k, from the first to the last. */
#pragma once
#include <stdint.h>
#include <string.h>
#include "vector.h"

/* Rows at a time, as many as leave room for their sums in a processor's registers, and columns at a time. */
#ifdef __AVX512F__
enum { TILE = 8 };
#else
enum { TILE = 4 };
#endif
enum { PANEL = 2 * LANES };

static inline int64_t panels(int64_t n) { return (n + PANEL - 1) / PANEL; }

/* b (k, n), its steps from row to row and column to column given, in panels of PANEL columns, the last one filled with zeros. */
static void pack(float *to, const float *b, int64_t k, int64_t n, int64_t row, int64_t column) {
    for (int64_t j = 0; j < n; j += PANEL, to += k * PANEL) {
        const int64_t width = n - j < PANEL ? n - j : PANEL;
        if (width < PANEL) memset(to, 0, k * PANEL * sizeof(float));
        for (int64_t i = 0; i < k; i++) {
            const float *from = b + i * row + j * column;
            if (column == 1) memcpy(to + i * PANEL, from, width * sizeof(float));
            else for (int64_t l = 0; l < width; l++) to[i * PANEL + l] = from[l * column];
        }
    }
}

typedef enum { PLAIN, RELU, ADDED } How;

/* c (m, n) = a (m, k) b (k, n), b packed, plus bias (n) unless it is null; then negative numbers made zero, or added to what c
 * was, if asked for. */
static void product(float *c, int64_t m, int64_t n, const float *a, int64_t row, int64_t column, int64_t k, const float *b,
                    const float *bias, How how) {
    for (int64_t j = 0; j < n; j += PANEL, b += k * PANEL) {
        const vec bias0 = bias ? get(bias + j, n - j) : all(0.0f);
        const vec bias1 = bias && n - j > LANES ? get(bias + j + LANES, n - j - LANES) : all(0.0f);
        for (int64_t top = 0; top < m; top += TILE) {
            const float *from[TILE];
            vec left[TILE], right[TILE];
            for (int r = 0; r < TILE; r++) {
                from[r] = a + (top + r < m ? top + r : m - 1) * row;
                left[r] = right[r] = all(0.0f);
            }
            for (int64_t i = 0; i < k; i++) {
                const vec b0 = load(b + i * PANEL), b1 = load(b + i * PANEL + LANES);
                for (int r = 0; r < TILE; r++) {
                    const float x = from[r][i * column];
                    left[r] += x * b0, right[r] += x * b1;
                }
            }
            for (int r = 0; r < TILE && top + r < m; r++) {
                vec u = left[r] + bias0, v = right[r] + bias1;
                if (how == RELU) u = choose(u < 0.0f, all(0.0f), u), v = choose(v < 0.0f, all(0.0f), v); /* NaN stays */
                float *to = c + (top + r) * n + j;
                if (how == ADDED) u += get(to, n - j), v += n - j > LANES ? get(to + LANES, n - j - LANES) : all(0.0f);
                put(to, u, n - j);
                if (n - j > LANES) put(to + LANES, v, n - j - LANES);
            }
        }
    }
}
