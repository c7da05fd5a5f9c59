import cython


@cython.locals(tie="long long")
cpdef long long clearing_price(
    long long bid_micros,
    long long quality_ppm,
    long long next_score,
    long long floor_micros,
    long long increment_micros,
) noexcept
