/* Small layers for one or several sets of weights at once (seeds side by side): chains of linear layers, batch norm, Adam.
 *
 * Nothing of one set enters another's arithmetic, and no number's arithmetic depends on where in memory it lies: a set computes
 * the same bytes alone, beside other sets and on any number of threads. Called by dense.py and adam.py.
 */
#include <math.h>
#include <stdlib.h>
#include "product.h"

typedef struct {
    int64_t sets, rows, layers, threads;
    const int64_t *width, *relu; /* of the input and each layer's output (layers + 1); of each layer, 0 or 1 */
    const int16_t *bits;         /* of the input's dropout, one an element: dropped below least, else times scale; or null */
    int64_t least;
    float scale;
} Chain;

static int64_t widest(const Chain *s) {
    int64_t n = 0;
    for (int64_t l = 0; l <= s->layers; l++) n = s->width[l] > n ? s->width[l] : n;
    return n;
}

static void drop(const Chain *s, float *to, const float *from, int64_t first, int64_t n) {
    const int16_t *bits = s->bits + first;
    const int32_t least = s->least;
    const float scale = s->scale; /* in variables, without which the loop has no vectors */
    for (int64_t i = 0; i < n; i++) to[i] = bits[i] >= least ? from[i] * scale : 0.0f;
}

/* x (sets, rows, width[0]); weight of a layer (sets, out, in), bias (sets, out), its output y (sets, rows, out). kept: x after
 * dropout, unless bits is null. */
void chain_forward(const Chain *s, const float *x, float *kept, const float *const *weight, const float *const *bias,
                   float *const *y) {
    const int64_t most = panels(widest(s)) * PANEL;
#pragma omp parallel for schedule(dynamic) num_threads(s->threads)
    for (int64_t set = 0; set < s->sets; set++) {
        const unsigned before = flush_denormals();
        const int64_t first = set * s->rows * s->width[0];
        float *packed = malloc(most * most * sizeof(float));
        if (s->bits) drop(s, kept + first, x + first, first, s->rows * s->width[0]);
        const float *from = (s->bits ? kept : x) + first;
        for (int64_t l = 0; l < s->layers; l++) {
            const int64_t in = s->width[l], out = s->width[l + 1];
            float *to = y[l] + set * s->rows * out;
            pack(packed, weight[l] + set * out * in, in, out, 1, in);
            product(to, s->rows, out, from, in, 1, in, packed, bias[l] + set * out, s->relu[l] ? RELU : PLAIN);
            from = to;
        }
        free(packed);
        restore_denormals(before);
    }
}

/* From the gradients of the outputs (null: none), those of x (null: not wanted), weights and biases, all layers up to the last
 * one that has a gradient. x: after dropout. */
void chain_backward(const Chain *s, const float *x, const float *const *weight, const float *const *y,
                    const float *const *d_y, float *d_x, float *const *d_weight, float *const *d_bias) {
    const int64_t wide = widest(s), most = panels(wide) * PANEL, tall = s->rows > most ? s->rows : most;
    int64_t last = s->layers - 1;
    while (!d_y[last]) last--;
#pragma omp parallel for schedule(dynamic) num_threads(s->threads)
    for (int64_t set = 0; set < s->sets; set++) {
        const unsigned before = flush_denormals();
        float *packed = malloc(tall * most * sizeof(float)), *d = malloc(s->rows * wide * sizeof(float));
        float *below = malloc(s->rows * wide * sizeof(float));
        for (int64_t l = last; l >= 0; l--) {
            const int64_t in = s->width[l], out = s->width[l + 1], n = s->rows * out;
            const float *own = d_y[l] ? d_y[l] + set * n : NULL, *said = y[l] + set * n;
            const float *from = l ? y[l - 1] + set * s->rows * in : x + set * s->rows * in;
            if (l == last) memset(d, 0, n * sizeof(float));
            else memcpy(d, below, n * sizeof(float));
            for (int64_t i = 0; own && i < n; i++) d[i] += own[i];
            for (int64_t i = 0; s->relu[l] && i < n; i++) d[i] = said[i] > 0.0f ? d[i] : 0.0f;
            float *to = d_bias[l] + set * out;
            memset(to, 0, out * sizeof(float));
            for (int64_t r = 0; r < s->rows; r++)
                for (int64_t j = 0; j < out; j++) to[j] += d[r * out + j];
            pack(packed, from, s->rows, in, in, 1);
            product(d_weight[l] + set * out * in, out, in, d, 1, out, s->rows, packed, NULL, PLAIN);
            if (!l && !d_x) break;
            pack(packed, weight[l] + set * out * in, out, in, in, 1);
            product(l ? below : d_x + set * s->rows * in, s->rows, in, d, out, 1, out, packed, NULL, PLAIN);
        }
        const int64_t first = set * s->rows * s->width[0];
        if (d_x && s->bits) drop(s, d_x + first, d_x + first, first, s->rows * s->width[0]);
        free(packed), free(d), free(below);
        restore_denormals(before);
    }
}

typedef struct {
    int64_t sets, groups, rows, width, training, threads;
    float eps, momentum;
} Norm;

/* Batch norm of x (sets, groups, rows, width): each group of rows by its own mean and deviation, which go, group after group,
 * into the running ones (sets, width), or outside training by those. weight, bias (sets, width). Returns y and, as large as a
 * row of each group, the mean and 1 / deviation used. */
void norm_forward(const Norm *s, const float *x, const float *weight, const float *bias, float *running_mean,
                  float *running_variance, float *y, float *mean, float *scale) {
    const int64_t w = s->width;
#pragma omp parallel for schedule(dynamic) num_threads(s->threads)
    for (int64_t set = 0; set < s->sets; set++)
        for (int64_t group = set * s->groups; group < (set + 1) * s->groups; group++)
            for (int64_t j = 0; j < w; j += LANES) {
                const int64_t n = w - j, at = set * w + j;
                const float *from = x + group * s->rows * w + j;
                vec m = get(running_mean + at, n), v = get(running_variance + at, n), r;
                if (s->training) {
                    vec total = all(0.0f), squares = all(0.0f);
                    for (int64_t i = 0; i < s->rows; i++) total += get(from + i * w, n);
                    total /= (float)s->rows;
                    for (int64_t i = 0; i < s->rows; i++) {
                        const vec away = get(from + i * w, n) - total;
                        squares += away * away;
                    }
                    const vec unbiased = squares / (float)(s->rows - 1);
                    put(running_mean + at, (1.0f - s->momentum) * m + s->momentum * total, n);
                    put(running_variance + at, (1.0f - s->momentum) * v + s->momentum * unbiased, n);
                    m = total, v = squares / (float)s->rows;
                }
                for (int l = 0; l < LANES; l++) r[l] = 1.0f / sqrtf(v[l] + s->eps);
                put(mean + group * w + j, m, n), put(scale + group * w + j, r, n);
                const vec gain = r * get(weight + at, n), shift = get(bias + at, n) - m * gain;
                for (int64_t i = 0; i < s->rows; i++)
                    put(y + group * s->rows * w + i * w + j, get(from + i * w, n) * gain + shift, n);
            }
}

/* From d_y, as large as x, the gradients of x (null: not wanted), weight and bias. */
void norm_backward(const Norm *s, const float *x, const float *weight, const float *mean, const float *scale, const float *d_y,
                   float *d_x, float *d_weight, float *d_bias) {
    const int64_t w = s->width;
#pragma omp parallel for schedule(dynamic) num_threads(s->threads)
    for (int64_t set = 0; set < s->sets; set++)
        for (int64_t j = 0; j < w; j += LANES) {
            const int64_t n = w - j;
            vec whole_weight = all(0.0f), whole_bias = all(0.0f);
            for (int64_t group = set * s->groups; group < (set + 1) * s->groups; group++) {
                const int64_t first = group * s->rows * w + j;
                const vec m = get(mean + group * w + j, n), r = get(scale + group * w + j, n);
                vec total = all(0.0f), with = all(0.0f);
                for (int64_t i = 0; i < s->rows; i++) {
                    const vec d = get(d_y + first + i * w, n);
                    total += d, with += d * ((get(x + first + i * w, n) - m) * r);
                }
                whole_weight += with, whole_bias += total;
                if (!d_x) continue;
                const vec gain = r * get(weight + set * w + j, n), count = all((float)s->rows);
                for (int64_t i = 0; i < s->rows; i++) {
                    vec d = get(d_y + first + i * w, n);
                    if (s->training) d -= (total + (get(x + first + i * w, n) - m) * r * with) / count;
                    put(d_x + first + i * w, d * gain, n);
                }
            }
            put(d_weight + set * w + j, whole_weight, n), put(d_bias + set * w + j, whole_bias, n);
        }
}

typedef struct {
    int64_t tensors;
    const int64_t *size;
    /* beta and 1 - beta, which in float differs from what is exact; step: rate / (1 - beta1^t); root: sqrt(1 - beta2^t) */
    float decay, keep_mean, new_mean, keep_square, new_square, step, root, eps;
} Adam;

/* One step of Adam on so many tensors, with weight decay as an L2 term of the gradient. */
void adam_step(const Adam *s, float *const *parameter, const float *const *gradient, float *const *mean,
               float *const *square) {
    const unsigned before = flush_denormals();
    for (int64_t t = 0; t < s->tensors; t++)
        for (int64_t i = 0; i < s->size[t]; i += LANES) {
            const int64_t n = s->size[t] - i;
            const vec p = get(parameter[t] + i, n), g = get(gradient[t] + i, n) + s->decay * p;
            const vec m = get(mean[t] + i, n) * s->keep_mean + s->new_mean * g;
            const vec v = get(square[t] + i, n) * s->keep_square + s->new_square * g * g;
            vec root;
            for (int l = 0; l < LANES; l++) root[l] = sqrtf(v[l]);
            put(mean[t] + i, m, n), put(square[t] + i, v, n);
            put(parameter[t] + i, p - s->step * m / (root / s->root + s->eps), n);
        }
    restore_denormals(before);
}
