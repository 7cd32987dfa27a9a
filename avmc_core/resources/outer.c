/* Columns of the outer product of two rows per clip, with dropout, and its gradient: never more of it than asked for.
 *
 * Of clip b, z[i * pairs + k] = keep[i * pairs + k] a[i] p[k] scale. What is dropped follows from a seed, the clip and the place
 * alone, so columns can be taken in any portions. Clips are independent of each other, so results do not depend on the number of
 * threads. Compiled by compiled.py; outer.py calls it.
 */
#include "vector.h"

typedef struct {
    int64_t clips, width, pairs, from, to, threads; /* a (clips, width), p (clips, pairs); columns from <= c < to of z */
    int64_t seed;
    double dropout;
} Outer;

/* z (clips, to - from) */
void outer_columns(const Outer *o, const float *a, const float *p, float *z) {
#pragma omp parallel for schedule(static) num_threads(o->threads)
    for (int64_t b = 0; b < o->clips; b++) {
        const unsigned before = flush_denormals();
        const uint64_t key = key_of(o->seed, b);
        float *to = z + b * (o->to - o->from) - o->from;
        for (int64_t c = o->from, end; c < o->to; c = end) {
            const int64_t i = c / o->pairs, shift = i * o->pairs;
            const float factor = a[b * o->width + i] / (1.0f - (float)o->dropout), *pair = p + b * o->pairs - shift;
            end = shift + o->pairs < o->to ? shift + o->pairs : o->to;
            for (int64_t k = c; k < end; k += LANES) {
                vec x = get(pair + k, end - k) * factor;
                if (o->dropout > 0) x = choose(kept(key, k, o->dropout), x, all(0.0f));
                put(to + k, x, end - k);
            }
        }
        restore_denormals(before);
    }
}

/* Adds to da (clips, width) and dp (clips, pairs) what dz (clips, to - from) contributes; leaves z in place of dz. */
void outer_gradient(const Outer *o, const float *a, const float *p, float *dz, float *da, float *dp) {
#pragma omp parallel for schedule(static) num_threads(o->threads)
    for (int64_t b = 0; b < o->clips; b++) {
        const unsigned before = flush_denormals();
        const uint64_t key = key_of(o->seed, b);
        const float scale = 1.0f / (1.0f - (float)o->dropout);
        float *row = dz + b * (o->to - o->from) - o->from;
        for (int64_t c = o->from, end; c < o->to; c = end) {
            const int64_t i = c / o->pairs, shift = i * o->pairs;
            const float factor = a[b * o->width + i] * scale, *pair = p + b * o->pairs - shift;
            float *d_pair = dp + b * o->pairs - shift;
            vec total = all(0.0f);
            end = shift + o->pairs < o->to ? shift + o->pairs : o->to;
            for (int64_t k = c; k < end; k += LANES) {
                const int64_t n = end - k;
                vec x = get(pair + k, n), g = get(row + k, n);
                if (o->dropout > 0) {
                    const ivec keep = kept(key, k, o->dropout);
                    g = choose(keep, g, all(0.0f));
                    put(row + k, choose(keep, x * factor, all(0.0f)), n);
                } else {
                    put(row + k, x * factor, n);
                }
                total += g * x;
                put(d_pair + k, get(d_pair + k, n) + g * factor, n);
            }
            for (int lane = 0; lane < LANES; lane++) da[b * o->width + i] += total[lane] * scale;
        }
        restore_denormals(before);
    }
}
