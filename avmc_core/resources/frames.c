/* Linear layers of frames: few columns and thousands of rows, of one or several sets of weights (seeds side by side), whose frames
 * follow each other. A set computes the same bytes alone, beside other sets and on any number of threads. Called by frames.py.
 */
#include <stdlib.h>
#include "product.h"

enum { BLOCK = 256 }; /* rows at a time: they and what is made of them stay in the cache */

typedef struct {
    int64_t sets, in, out, threads;
    int64_t x_step, y_step; /* from row to row of what comes in, and of what goes out: `in` and `out` without gaps */
    const int64_t *rows;    /* of each set */
} Frames;

/* Whether the processor that this was compiled for has such vectors that it is worth the while. */
int64_t frames_worthwhile(void) {
#ifdef __AVX2__
    return 1;
#else
    return 0;
#endif
}

/* The rows of the sets before this one. */
static int64_t before_set(const Frames *s, int64_t set) {
    int64_t first = 0;
    while (set--) first += s->rows[set];
    return first;
}

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* A thread's share of so many rows, in whole tiles, at least one. */
static inline int64_t share(int64_t rows, int64_t threads) {
    const int64_t tiles = (rows + threads * TILE - 1) / (threads * TILE);
    return (tiles ? tiles : 1) * TILE;
}

/* to (rows, n) of all sets = from (rows, k) weight (k, n), one for each set, with these steps from row to row and column to
 * column, plus bias (sets, n) unless it is null. There are no gaps. */
static void by_set(const Frames *s, float *to, int64_t n, const float *from, int64_t k, const float *weight, int64_t row,
                   int64_t column, const float *bias) {
    float *packed = malloc(panels(n) * PANEL * k * sizeof(float));
    for (int64_t set = 0; set < s->sets; set++) {
        const int64_t first = before_set(s, set), rows = s->rows[set], part = share(rows, s->threads);
#pragma omp parallel for schedule(static) num_threads(s->threads)
        for (int64_t panel = 0; panel < panels(n); panel++) {
            const int64_t j = panel * PANEL;
            pack(packed + j * k, weight + set * s->in * s->out + j * column, k, least(PANEL, n - j), row, column);
        }
#pragma omp parallel for schedule(static) num_threads(s->threads)
        for (int64_t begin = 0; begin < rows; begin += part) {
            const unsigned before = flush_denormals();
            const int64_t end = least(begin + part, rows);
            for (int64_t top = begin; top < end; top += BLOCK)
                product(to + (first + top) * n, least(BLOCK, end - top), n, from + (first + top) * k, k, 1, k, packed,
                        bias ? bias + set * n : NULL, PLAIN);
            restore_denormals(before);
        }
    }
    free(packed);
}

/* x (rows, in), weight (sets, out, in), bias (sets, out) or null, y (rows, out). */
void frames_forward(const Frames *s, const float *x, const float *weight, const float *bias, float *y) {
    by_set(s, y, s->out, x, s->in, weight, 1, s->in, bias);
}

/* The gradient of x, as large as it. */
void frames_backward(const Frames *s, const float *d_y, const float *weight, float *d_x) {
    by_set(s, d_x, s->in, d_y, s->out, weight, s->in, 1, NULL);
}

/* The gradients of weight and bias (null: not wanted), from x and d_y, which may have gaps. */
void frames_gradient(const Frames *s, const float *x, const float *d_y, float *d_weight, float *d_bias) {
    const int64_t width = share(s->out, s->threads), parts = (s->out + width - 1) / width;
#pragma omp parallel for collapse(2) schedule(static) num_threads(s->threads)
    for (int64_t set = 0; set < s->sets; set++)
        for (int64_t part = 0; part < parts; part++) {
            const unsigned before = flush_denormals();
            const int64_t left = part * width, n = least(width, s->out - left), first = before_set(s, set);
            float *packed = malloc(panels(s->in) * PANEL * BLOCK * sizeof(float));
            float *weights = d_weight + (set * s->out + left) * s->in, *biases = d_bias ? d_bias + set * s->out + left : NULL;
            memset(weights, 0, n * s->in * sizeof(float));
            if (biases) memset(biases, 0, n * sizeof(float));
            for (int64_t top = 0; top < s->rows[set]; top += BLOCK) {
                const int64_t k = least(BLOCK, s->rows[set] - top);
                const float *d = d_y + (first + top) * s->y_step + left;
                pack(packed, x + (first + top) * s->x_step, k, s->in, s->x_step, 1);
                product(weights, n, s->in, d, 1, s->y_step, k, packed, NULL, ADDED);
                for (int64_t r = 0; biases && r < k; r++)
                    for (int64_t j = 0; j < n; j++) biases[j] += d[r * s->y_step + j];
            }
            free(packed);
            restore_denormals(before);
        }
}
