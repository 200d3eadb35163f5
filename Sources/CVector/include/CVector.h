#pragma once

/// Sixteen floats; Swift sees them as SIMD16<Float>.
typedef float CVectorFloat16 __attribute__((ext_vector_type(16)));

/// Swift's own square root becomes a call that sets errno, lane by lane; this one is a single instruction.
static inline __attribute__((always_inline)) CVectorFloat16 CVectorSquareRoot(CVectorFloat16 x) {
    return __builtin_elementwise_sqrt(x);
}

/// Tells the processor that this loop waits for another core.
static inline __attribute__((always_inline)) void CVectorSpinHint(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}
