"""How one number of a model came to be, step by step, in scalar Python integers.

An explainer walks the way of one element through its operator and yields a `Step` for each thing that is computed. It
shares the folded parameters with the kernels (which scale becomes which multiplier), and none of their arithmetic, so
that what it arrives at says something about them. `explain.py` runs the model and compares.
"""
