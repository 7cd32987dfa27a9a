/* The recurrence of an LSTM over clips of different lengths, forward and backward in time at once, and its gradient.
 *
 * Frames of all clips lie one after the other (F rows). Clips are taken ROWS at a time, neighbours in length; each group of
 * clips and each direction is independent of the others, so threads need no barrier and results do not depend on their number.
 * Several sets of clips, each with weights of its own (seeds side by side), are as independent: a set gives the same alone.
 * The hidden size is a multiple of LANES. Compiled and called by compiled.py; recurrent.py holds the rest of the layer.
 */
#include <string.h>
#include "vector.h"

enum { ROWS = LANES / 2 };

/* c (ROWS, n) = a (ROWS, k) b (k, n) */
static inline void multiply(float *c, const float *a, const float *b, int64_t k, int64_t n) {
    for (int64_t j = 0; j < n; j += 2 * LANES) {
        int pair = j + LANES < n; /* the last tile may be half a tile */
        vec left[ROWS] = {{0}}, right[ROWS] = {{0}};
        for (int64_t i = 0; i < k; i++) {
            vec b0 = load(b + i * n + j), b1 = load(b + i * n + (pair ? j + LANES : j));
            for (int r = 0; r < ROWS; r++) left[r] += a[r * k + i] * b0, right[r] += a[r * k + i] * b1;
        }
        for (int r = 0; r < ROWS; r++) {
            store(c + r * n + j, left[r]);
            if (pair) store(c + r * n + j + LANES, right[r]);
        }
    }
}

typedef struct {
    int64_t sets, clips, directions, hidden, threads; /* clips: of a set */
    const int64_t *order, *start, *length; /* of each set, its clips by length; first frame and frames of each clip */
} Shape;

/* Frame that clip reads at a step of a direction, or -1 after its end. */
static inline int64_t frame(const Shape *s, int64_t clip, int64_t direction, int64_t step) {
    if (clip < 0 || step >= s->length[clip]) return -1;
    return s->start[clip] + (direction ? s->length[clip] - 1 - step : step);
}

static inline int64_t groups_of(const Shape *s) { return (s->clips + ROWS - 1) / ROWS; }

/* The clips of a group (-1: none), and the number of steps of the longest. Groups are counted through all sets. */
static inline int64_t members(const Shape *s, int64_t group, int64_t *clip) {
    const int64_t set = group / groups_of(s), first = group % groups_of(s) * ROWS;
    int64_t steps = 0;
    for (int r = 0; r < ROWS; r++) {
        clip[r] = first + r < s->clips ? s->order[set * s->clips + first + r] : -1;
        if (clip[r] >= 0 && s->length[clip[r]] > steps) steps = s->length[clip[r]];
    }
    return steps;
}

/* Asks for n floats that are needed soon: each clip's frames are a stream of their own, too many for the processor to guess. */
static inline void fetch(const float *p, int64_t n) {
    for (int64_t j = 0; j < n; j += 16) __builtin_prefetch(p + j);
}

/* gates (F, directions, 4, hidden): on entry W_ih x, on return i, f, g, o after their nonlinearity.
 * bias (sets, directions, 4, hidden). cell, out (F, directions, hidden): c and h. weight (sets, directions, hidden,
 * 4 hidden): W_hh transposed. */
void lstm_forward(const Shape *s, float *gates, const float *bias, float *cell, float *out, const float *weight) {
    const int64_t h = s->hidden, groups = groups_of(s);
#pragma omp parallel for schedule(dynamic) num_threads(s->threads)
    for (int64_t unit = 0; unit < s->sets * groups * s->directions; unit++) {
        const unsigned before = flush_denormals();
        const int64_t d = unit % s->directions, own = unit / s->directions / groups * s->directions + d; /* weights */
        int64_t clip[ROWS], steps = members(s, unit / s->directions, clip);
        float state[ROWS * h], memory[ROWS * h], recurrent[ROWS * 4 * h];
        memset(state, 0, sizeof state), memset(memory, 0, sizeof memory);
        const float *b = bias + own * 4 * h;
        for (int64_t step = 0; step < steps; step++) {
            multiply(recurrent, state, weight + own * 4 * h * h, h, 4 * h);
            for (int r = 0; r < ROWS; r++) {
                const int64_t f = frame(s, clip[r], d, step), at = f * s->directions + d;
                if (f < 0) continue;
                const int64_t ahead = (d ? -2 : 2) * s->directions * h;
                float *z = gates + at * 4 * h, *u = recurrent + r * 4 * h;
                fetch(z + 4 * ahead, 4 * h), fetch(cell + at * h + ahead, h), fetch(out + at * h + ahead, h);
                for (int64_t j = 0; j < 4 * h; j += LANES) store(u + j, load(u + j) + load(z + j) + load(b + j));
                for (int64_t j = 0; j < h; j += LANES) {
                    vec i = sigmoid(load(u + j)), k = sigmoid(load(u + h + j));
                    vec g = tanh_(load(u + 2 * h + j)), o = sigmoid(load(u + 3 * h + j));
                    vec c = k * load(memory + r * h + j) + i * g, y = o * tanh_(c);
                    store(z + j, i), store(z + h + j, k), store(z + 2 * h + j, g), store(z + 3 * h + j, o);
                    store(memory + r * h + j, c), store(state + r * h + j, y);
                    store(cell + at * h + j, c), store(out + at * h + j, y);
                }
            }
        }
        restore_denormals(before);
    }
}

/* From the gradients of out and, unless it is null, of cell, (F, directions, hidden) both, that of the gates before their
 * nonlinearity, d_gates. weight (sets, directions, 4 hidden, hidden): W_hh. */
void lstm_backward(const Shape *s, const float *gates, const float *cell, const float *d_out, const float *d_cell,
                   float *d_gates, const float *weight) {
    const int64_t h = s->hidden, groups = groups_of(s);
#pragma omp parallel for schedule(dynamic) num_threads(s->threads)
    for (int64_t unit = 0; unit < s->sets * groups * s->directions; unit++) {
        const unsigned before = flush_denormals();
        const int64_t d = unit % s->directions, own = unit / s->directions / groups * s->directions + d; /* weights */
        int64_t clip[ROWS], steps = members(s, unit / s->directions, clip);
        float d_state[ROWS * h], d_memory[ROWS * h], d_recurrent[ROWS * 4 * h];
        memset(d_state, 0, sizeof d_state), memset(d_memory, 0, sizeof d_memory);
        memset(d_recurrent, 0, sizeof d_recurrent);
        for (int64_t step = steps - 1; step >= 0; step--) {
            for (int r = 0; r < ROWS; r++) {
                const int64_t f = frame(s, clip[r], d, step), at = f * s->directions + d;
                if (f < 0) continue;
                const int64_t previous = frame(s, clip[r], d, step - 1);
                const int64_t ahead = (d ? 2 : -2) * s->directions * h;
                const float *z = gates + at * 4 * h;
                float *dz = d_recurrent + r * 4 * h;
                fetch(z + 4 * ahead, 4 * h), fetch(d_gates + 4 * (at * h + ahead), 4 * h);
                fetch(cell + at * h + ahead, h), fetch(d_out + at * h + ahead, h);
                for (int64_t j = 0; j < h; j += LANES) {
                    vec i = load(z + j), k = load(z + h + j), g = load(z + 2 * h + j), o = load(z + 3 * h + j);
                    vec t = tanh_(load(cell + at * h + j)), dy = load(d_state + r * h + j) + load(d_out + at * h + j);
                    vec dc = load(d_memory + r * h + j) + dy * o * (1.0f - t * t);
                    if (d_cell) dc += load(d_cell + at * h + j);
                    vec c = step ? load(cell + (previous * s->directions + d) * h + j) : all(0.0f);
                    store(dz + j, dc * g * i * (1.0f - i)), store(dz + h + j, dc * c * k * (1.0f - k));
                    store(dz + 2 * h + j, dc * i * (1.0f - g * g)), store(dz + 3 * h + j, dy * t * o * (1.0f - o));
                    store(d_memory + r * h + j, dc * k);
                }
                memcpy(d_gates + at * 4 * h, dz, 4 * h * sizeof(float));
            }
            multiply(d_state, d_recurrent, weight + own * 4 * h * h, 4 * h, h);
        }
        restore_denormals(before);
    }
}
