"""Arithmetic that operators share: fixed point and what stands in for it, sums of products, functions, floats."""
