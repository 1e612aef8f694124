"""The errors of refinfer, by whose fault it is: the bytes, the model, what we can do, the caller, or the machine.

Each message stands alone: it holds the place, what was found and what was expected. The command line prints
nothing else.
"""


class RefinferError(ValueError):
    """What every error of refinfer is: catch this one to catch them all."""


class FormatError(RefinferError):
    """The bytes are not a well-formed ``.tflite`` file."""


class GraphError(RefinferError):
    """The file is well-formed, but what it says is inconsistent."""


class UnsupportedNode(RefinferError):
    """The model is sound, but an operator of it cannot be run by the runtime in question."""


class UsageError(RefinferError):
    """What was asked for does not exist or makes no sense: a board, a target, an option."""


class WorkerDied(RefinferError):
    """A process that helped ended before its work was done."""
