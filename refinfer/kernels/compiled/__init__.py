"""The same arithmetic compiled: what numpy computes an operator at a time, here one native function computes.

A *plan* turns consecutive operators into rows of numbers in one table: an opcode, addresses, sizes. One function walks
the rows and calls a kernel for each. Kernels know nothing of operators, tensors or dialects; what they are told comes
from the same folded parameters that the numpy arithmetic has, and their results are the same bits.

docs/speed.md explains it from the beginning. numba is imported by jit.py and by what imports that, and by nothing else:
refinfer runs without it.
"""
