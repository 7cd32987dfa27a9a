/* Vectors of floats, what is computed on them, random bits, and numbers too small to matter: for the kernels beside it. */
#pragma once
#include <stdint.h>
#include <string.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#ifdef __AVX512F__
enum { LANES = 16 };
#else
enum { LANES = 8 };
#endif
typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint32_t uvec __attribute__((vector_size(4 * LANES)));

static inline vec load(const float *p) { return *(const vec *)p; }
static inline void store(float *p, vec v) { *(vec *)p = v; }
static inline vec all(float x) { return x - (vec){0}; }
static inline vec choose(ivec mask, vec yes, vec no) { return (vec)((mask & (ivec)yes) | (~mask & (ivec)no)); }

/* The first n numbers at p, the others zero; and back. */
static inline vec get(const float *p, int64_t n) {
    if (n >= LANES) return load(p);
    float part[LANES] = {0};
    memcpy(part, p, n * sizeof(float));
    return load(part);
}

static inline void put(float *p, vec v, int64_t n) {
    if (n >= LANES) { store(p, v); return; }
    float part[LANES];
    store(part, v);
    memcpy(p, part, n * sizeof(float));
}

static inline ivec lanes(int64_t first) {
    ivec lane;
    for (int i = 0; i < LANES; i++) lane[i] = first + i;
    return lane;
}

static inline vec exp_(vec x) {
    x = choose(x < -87.0f, all(-87.0f), choose(x > 87.0f, all(87.0f), x));
    vec n = x * 1.44269504f + 12582912.0f - 12582912.0f; /* x = n log 2 + r, n rounded to a whole number */
    vec r = x - n * 0.693359375f + n * 2.12194440e-4f;
    vec p = all(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f, p = p * r + 8.3334519073e-3f, p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f, p = p * r + 5.0000001201e-1f;
    ivec scale = (__builtin_convertvector(n, ivec) + 127) << 23;
    return (p * r * r + r + 1.0f) * (vec)scale;
}

static inline vec sigmoid(vec x) { return 1.0f / (1.0f + exp_(-x)); }

static inline vec tanh_(vec x) {
    vec z = x * x, p = all(-5.70498872745e-3f);
    p = p * z + 2.06390887954e-2f, p = p * z - 5.37397155531e-2f, p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    return choose(z < 0.390625f, p * z * x + x, 1.0f - 2.0f / (1.0f + exp_(x + x)));
}

/* Random bits (Wang's and Wellons' mixing of a counter) of each place; the top ones decide what is dropped. */
static inline ivec kept(uint64_t key, int64_t place, double dropout) {
    uvec x = (uvec)lanes(0) + (uint32_t)place + (uint32_t)key;
    x ^= x >> 16, x *= 0x7feb352dU, x ^= x >> 15;
    x ^= (uint32_t)(key >> 32);
    x *= 0x846ca68bU, x ^= x >> 16;
    return (ivec)x >= (int32_t)(dropout * 4294967296.0 - 2147483648.0);
}

static inline uint64_t key_of(int64_t seed, int64_t unit) { /* splitmix64 */
    uint64_t x = (uint64_t)seed + 0x9e3779b97f4a7c15U * (uint64_t)(unit + 1);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U, x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

/* Denormal numbers, of which fading gradients are full, count as zero: they are a hundred times slower. */
static unsigned flush_denormals(void) {
#ifdef __SSE__
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    return before;
#else
    return 0;
#endif
}

static void restore_denormals(unsigned before) {
#ifdef __SSE__
    _mm_setcsr(before);
#endif
}
