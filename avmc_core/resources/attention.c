/* Attention with dropout on its weights, and its gradient, without ever holding the weights of more than QUERIES queries.
 *
 * For each clip and head: out_i = sum_j keep_ij softmax_j(q_i k_j / sqrt(size)) v_j / (1 - p), where query i sees the first seen_i
 * keys. The gradient computes the weights again. What is dropped follows from a seed and the places i, j alone. Clips and heads
 * are independent of each other, so threads need no barrier and results do not depend on their number.
 * Compiled by compiled.py; attention.py calls it.
 */
#include <stdlib.h>
#include <string.h>
#include "vector.h"

enum { QUERIES = 4, TILE = 5, LARGEST = 64 }; /* taken at once: queries, features; LARGEST size of a head */

typedef struct {
    int64_t clips, heads, size, queries, keys, threads;
    const int64_t *seen; /* (clips, queries): how many keys, from the first, each query sees */
    int64_t seed;
    double dropout;
} Attention;

/* A block of queries of one head: their features, and how many keys each sees (0: no such query). */
typedef struct {
    float feature[QUERIES][LARGEST + TILE];
    int64_t rows, seen[QUERIES], most;
} Block;

static inline float sum(vec v) {
    float total = 0.0f;
    for (int i = 0; i < LANES; i++) total += v[i];
    return total;
}

static inline float largest(vec v) {
    float top = v[0];
    for (int i = 1; i < LANES; i++) top = v[i] > top ? v[i] : top;
    return top;
}

static inline int64_t padded(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/* A head's rows (steps, size) of x (steps, heads, size) as columns (padded size, width), zero where there is nothing. */
static void columns(float *to, const float *x, int64_t steps, int64_t heads, int64_t size, int64_t width) {
    memset(to, 0, padded(size, TILE) * width * sizeof(float));
    for (int64_t j = 0; j < steps; j++)
        for (int64_t c = 0; c < size; c++) to[c * width + j] = x[j * heads * size + c];
}

static void rows(float *to, const float *x, int64_t steps, int64_t heads, int64_t size, int64_t width) {
    for (int64_t j = 0; j < steps; j++)
        for (int64_t c = 0; c < size; c++) to[j * heads * size + c] = x[c * width + j];
}

/* Queries first, first + 1, ... of x (queries, heads, size), times scale. */
static Block block(const Attention *a, const int64_t *seen, const float *x, int64_t first, float scale) {
    Block b = {.rows = a->queries - first < QUERIES ? a->queries - first : QUERIES};
    for (int64_t r = 0; r < b.rows; r++) {
        b.seen[r] = seen[first + r];
        b.most = b.seen[r] > b.most ? b.seen[r] : b.most;
        for (int64_t c = 0; c < a->size; c++) b.feature[r][c] = scale * x[(first + r) * a->heads * a->size + c];
    }
    return b;
}

/* product[r] = x[r] . y[:, j] for LANES steps from j on; y (size, width). */
static inline void products(vec *product, float x[QUERIES][LARGEST + TILE], const float *y, int64_t size, int64_t width,
                            int64_t j) {
    for (int r = 0; r < QUERIES; r++) product[r] = all(0.0f);
    for (int64_t tile = 0; tile < size; tile += TILE)
        for (int c = 0; c < TILE; c++) {
            vec column = load(y + (tile + c) * width + j);
            for (int r = 0; r < QUERIES; r++) product[r] += x[r][tile + c] * column;
        }
}

static float scale_of(int64_t size) {
    float root = size;
    for (int i = 0; i < 30; i++) root = 0.5f * (root + size / root); /* Newton: no mathematical library is linked */
    return 1.0f / root;
}

/* q, out (clips, queries, heads, size); k, v (clips, keys, heads, size); stats (clips, heads, queries, 2): each query's largest
 * score and one over the sum of the exponentials. */
void attention_forward(const Attention *a, const float *q, const float *k, const float *v, float *out, float *stats) {
    const int64_t width = padded(a->keys, LANES), size = padded(a->size, TILE), step = a->heads * a->size;
#pragma omp parallel for schedule(dynamic) num_threads(a->threads)
    for (int64_t unit = 0; unit < a->clips * a->heads; unit++) {
        const unsigned before = flush_denormals();
        const int64_t clip = unit / a->heads, at = unit % a->heads * a->size;
        const uint64_t key = key_of(a->seed, unit);
        float *keys = malloc((2 * size + QUERIES) * width * sizeof(float)), *values = keys + size * width;
        float *weights = values + size * width;
        columns(keys, k + clip * a->keys * step + at, a->keys, a->heads, a->size, width);
        columns(values, v + clip * a->keys * step + at, a->keys, a->heads, a->size, width);
        for (int64_t i = 0; i < a->queries; i += QUERIES) {
            Block x = block(a, a->seen + clip * a->queries, q + clip * a->queries * step + at, i, scale_of(a->size));
            vec s[QUERIES], top[QUERIES], total[QUERIES];
            for (int r = 0; r < QUERIES; r++) top[r] = all(-3e38f), total[r] = all(0.0f);
            for (int64_t j = 0; j < x.most; j += LANES) {
                products(s, x.feature, keys, size, width, j);
                for (int r = 0; r < QUERIES; r++) {
                    store(weights + r * width + j, s[r]);
                    s[r] = choose(lanes(j) < (int32_t)x.seen[r], s[r], all(-3e38f));
                    top[r] = choose(s[r] > top[r], s[r], top[r]);
                }
            }
            float most[QUERIES];
            for (int r = 0; r < QUERIES; r++) most[r] = largest(top[r]);
            for (int64_t j = 0; j < x.most; j += LANES)
                for (int r = 0; r < QUERIES; r++) {
                    vec p = exp_(load(weights + r * width + j) - most[r]);
                    p = choose(lanes(j) < (int32_t)x.seen[r], p, all(0.0f));
                    total[r] += p;
                    if (a->dropout > 0) p = choose(kept(key, (i + r) * width + j, a->dropout), p, all(0.0f));
                    store(weights + r * width + j, p);
                }
            float inverse[QUERIES];
            for (int64_t r = 0; r < x.rows; r++) {
                inverse[r] = 1.0f / sum(total[r]);
                float *stat = stats + (unit * a->queries + i + r) * 2;
                stat[0] = most[r], stat[1] = inverse[r];
            }
            for (int64_t tile = 0; tile < size; tile += TILE) {
                vec mixed[QUERIES][TILE] = {{{0}}};
                for (int64_t j = 0; j < x.most; j += LANES)
                    for (int c = 0; c < TILE; c++) {
                        vec value = load(values + (tile + c) * width + j);
                        for (int r = 0; r < QUERIES; r++) mixed[r][c] += load(weights + r * width + j) * value;
                    }
                for (int64_t r = 0; r < x.rows; r++)
                    for (int64_t c = 0; c < TILE && tile + c < a->size; c++)
                        out[(clip * a->queries + i + r) * step + at + tile + c] =
                            sum(mixed[r][c]) * inverse[r] / (1.0f - (float)a->dropout);
            }
        }
        free(keys);
        restore_denormals(before);
    }
}

/* From the gradient of out, those of q, k and v. */
void attention_backward(const Attention *a, const float *q, const float *k, const float *v, const float *out, const float *stats,
                        const float *d_out, float *d_q, float *d_k, float *d_v) {
    const int64_t width = padded(a->keys, LANES), size = padded(a->size, TILE), step = a->heads * a->size;
    const float scale = scale_of(a->size), keep_scale = 1.0f / (1.0f - (float)a->dropout);
#pragma omp parallel for schedule(dynamic) num_threads(a->threads)
    for (int64_t unit = 0; unit < a->clips * a->heads; unit++) {
        const unsigned before = flush_denormals();
        const int64_t clip = unit / a->heads, at = unit % a->heads * a->size;
        const int64_t of_queries = clip * a->queries * step + at, of_keys = clip * a->keys * step + at;
        const uint64_t key = key_of(a->seed, unit);
        float *keys = malloc((4 * size + 2 * QUERIES) * width * sizeof(float)), *values = keys + size * width;
        float *d_keys = values + size * width, *d_values = d_keys + size * width;
        float *weights = d_values + size * width, *d_scores = weights + QUERIES * width;
        columns(keys, k + of_keys, a->keys, a->heads, a->size, width);
        columns(values, v + of_keys, a->keys, a->heads, a->size, width);
        memset(d_keys, 0, 2 * size * width * sizeof(float));
        for (int64_t i = 0; i < a->queries; i += QUERIES) {
            const int64_t *seen = a->seen + clip * a->queries;
            Block x = block(a, seen, q + of_queries, i, scale), y = block(a, seen, d_out + of_queries, i, 1.0f);
            Block z = block(a, seen, out + of_queries, i, 1.0f);
            float most[QUERIES] = {0}, inverse[QUERIES] = {0}, dot[QUERIES] = {0};
            for (int64_t r = 0; r < x.rows; r++) {
                const float *stat = stats + (unit * a->queries + i + r) * 2;
                most[r] = stat[0], inverse[r] = stat[1];
                for (int64_t c = 0; c < a->size; c++) dot[r] += y.feature[r][c] * z.feature[r][c];
            }
            for (int64_t j = 0; j < x.most; j += LANES) {
                vec s[QUERIES], d[QUERIES];
                products(s, x.feature, keys, size, width, j), products(d, y.feature, values, size, width, j);
                for (int r = 0; r < QUERIES; r++) {
                    vec p = choose(lanes(j) < (int32_t)x.seen[r], exp_(s[r] - most[r]) * inverse[r], all(0.0f)), used = p;
                    if (a->dropout > 0) {
                        ivec keep = kept(key, (i + r) * width + j, a->dropout);
                        used = choose(keep, p * keep_scale, all(0.0f)), d[r] = choose(keep, d[r] * keep_scale, all(0.0f));
                    }
                    store(weights + r * width + j, used), store(d_scores + r * width + j, p * (d[r] - dot[r]));
                }
            }
            for (int64_t tile = 0; tile < size; tile += TILE) {
                vec d_query[QUERIES][TILE] = {{{0}}};
                for (int64_t j = 0; j < x.most; j += LANES)
                    for (int c = 0; c < TILE; c++) {
                        const int64_t place = (tile + c) * width + j;
                        vec column = load(keys + place), dk = load(d_keys + place), dv = load(d_values + place);
                        for (int r = 0; r < QUERIES; r++) {
                            vec ds = load(d_scores + r * width + j);
                            d_query[r][c] += ds * column;
                            dk += ds * x.feature[r][tile + c];
                            dv += load(weights + r * width + j) * y.feature[r][tile + c];
                        }
                        store(d_keys + place, dk), store(d_values + place, dv);
                    }
                for (int64_t r = 0; r < x.rows; r++)
                    for (int64_t c = 0; c < TILE && tile + c < a->size; c++)
                        d_q[of_queries + (i + r) * step + tile + c] = scale * sum(d_query[r][c]);
            }
        }
        rows(d_k + of_keys, d_keys, a->keys, a->heads, a->size, width);
        rows(d_v + of_keys, d_values, a->keys, a->heads, a->size, width);
        free(keys);
        restore_denormals(before);
    }
}
