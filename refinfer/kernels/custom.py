"""The options of custom operators: a FlexBuffers map, which the operator's Init reads."""

from __future__ import annotations

from refinfer.kernels.kernel import Refusal, require
from refinfer.schema.flexbuffer import Value, decode
from refinfer.schema.graph import Node


def option_map(node: Node) -> dict[str, Value]:
    """The custom options by name; the names are in the order of the file, which is that of their bytes."""
    require(len(node.custom_options) > 0, "no custom options")
    values = decode(node.custom_options)
    if not isinstance(values, dict):
        raise Refusal(f"custom options are a {type(values).__name__}, not a map")
    return values
