/* A fully connected layer in int8, to the bit what TensorFlow Lite for Microcontrollers computes.
 *
 *   y[b][o] = clamp(round(acc[b][o] * multiplier * 2^(shift - 31)) + output_offset)
 *   acc[b][o] = bias[o] + sum over d of (x[b][d] + input_offset) * weights[o][d]
 *
 * Compile with -DPLANTED_BUG for a copy that rounds ties upwards, and not away from zero.
 */
#include <stddef.h>
#include <stdint.h>

/* a * b / 2^31, ties up */
static int32_t high_product(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

/* x / 2^exponent, ties away from zero */
static int32_t rounding_shift(int32_t x, int exponent) {
    if (exponent == 0) {
        return x;
    }
    int64_t half = (int64_t)1 << (exponent - 1);
#ifdef PLANTED_BUG
    return (int32_t)((x + half) >> exponent);
#else
    return (int32_t)((x + half - (x < 0)) >> exponent);
#endif
}

static int32_t scaled(int32_t acc, int32_t multiplier, int32_t shift) {
    int left = shift > 0 ? shift : 0;
    int right = shift > 0 ? 0 : -shift;
    return rounding_shift(high_product((int32_t)((uint32_t)acc << left), multiplier), right);
}

void fully_connected_int8(const int8_t *x, const int8_t *weights, const int32_t *bias,
                          int32_t batches, int32_t depth, int32_t units,
                          int32_t input_offset, int32_t output_offset,
                          const int32_t *multiplier, const int32_t *shift,
                          int32_t activation_min, int32_t activation_max, int8_t *y) {
    for (int32_t b = 0; b < batches; ++b) {
        for (int32_t o = 0; o < units; ++o) {
            uint32_t acc = bias == NULL ? 0u : (uint32_t)bias[o]; /* unsigned: it wraps where the sum overflows */
            for (int32_t d = 0; d < depth; ++d) {
                acc += (uint32_t)((x[b * depth + d] + input_offset) * weights[o * depth + d]);
            }
            int32_t value = scaled((int32_t)acc, *multiplier, *shift) + output_offset;
            value = value < activation_min ? activation_min : value;
            value = value > activation_max ? activation_max : value;
            y[b * units + o] = (int8_t)value;
        }
    }
}
