/* A library that the wheel brings for its extension. */
long sum_of(long left, long right) { return left + right; }
