"""How long a large model takes to load and to simulate, and in how much memory: 5,000 operators and 50 MB.

    python benchmarks/big_model.py [--operators 5000] [--megabytes 50] [--runs 5] [--target cortex-m4] [--json FILE]

The model is a chain of residual blocks, int8, with a scale for each channel, as converters write them; it needs the
package `flatbuffers` to be made. Each run is a new process, since what counts is the first time; quote the minima,
since machines drift. Memory is the most that the process had beside the pages of the file, which is mapped.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator

MEASURE = """
import json, os, sys
from time import perf_counter, process_time
from resource import RUSAGE_SELF, getrusage
from refinfer import read_model, simulate  # and with them all that they need

def own():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(fields["RssAnon"].split()[0]) << 10 if "RssAnon" in fields else getrusage(RUSAGE_SELF).ru_maxrss << 10

before = own()
start, cpu = perf_counter(), process_time()
graph = read_model(sys.argv[1])
loaded = perf_counter()
report = simulate(graph, sys.argv[2])
done, cpu = perf_counter(), process_time() - cpu
operators = sum(1 for _ in graph.nodes)
print(json.dumps({
    "load": loaded - start, "simulate": done - loaded, "together": done - start, "cpu": cpu, "memory": own() - before,
    "operators": operators, "bytes": len(graph.file), "arena": report.arena.minimum,
}))
"""


def model(operators: int, nbytes: int) -> bytes:
    """Residual blocks of four operators: two 1×1 convolutions around a depthwise 3×3, and ADD."""
    import numpy as np

    from refinfer.schema.enums import BuiltinOperator, TensorType
    from refinfer.schema.options import AddOptions, Conv2DOptions, DepthwiseConv2DOptions
    from refinfer.testing.models import NodeSpec, SubgraphSpec, TensorSpec, build

    blocks = operators // 4
    channels = max(1, round((nbytes / (2 * blocks)) ** 0.5 - 23))  # beside 23: bias, scales and zero points

    def activations() -> TensorSpec:
        return TensorSpec(TensorType.INT8, (1, 8, 8, channels), [0.05], [3])

    def constant(type: TensorType, dtype: type, shape: tuple[int, ...], scale: float, axis: int) -> TensorSpec:
        return TensorSpec(type, shape, [scale] * channels, axis=axis, data=np.ones(shape, dtype))

    def convolution(x: TensorSpec, y: TensorSpec, is_depthwise: bool) -> NodeSpec:
        shape, axis = ((1, 3, 3, channels), 3) if is_depthwise else ((channels, 1, 1, channels), 0)
        weights = constant(TensorType.INT8, np.int8, shape, 0.01, axis)
        bias = constant(TensorType.INT32, np.int32, (channels,), 0.05 * 0.01, 0)
        if is_depthwise:
            options = DepthwiseConv2DOptions(stride_w=1, stride_h=1, depth_multiplier=1)
            return NodeSpec(BuiltinOperator.DEPTHWISE_CONV_2D, [x, weights, bias], [y], options, version=3)
        options = Conv2DOptions(stride_w=1, stride_h=1)
        return NodeSpec(BuiltinOperator.CONV_2D, [x, weights, bias], [y], options, version=3)

    def nodes(x: TensorSpec) -> Iterator[NodeSpec]:
        for _ in range(blocks):
            wide, deep, narrow, total = (activations() for _ in range(4))
            yield convolution(x, wide, is_depthwise=False)
            yield convolution(wide, deep, is_depthwise=True)
            yield convolution(deep, narrow, is_depthwise=False)
            yield NodeSpec(BuiltinOperator.ADD, [x, narrow], [total], AddOptions(), version=2)
            x = total

    first = activations()
    chain = list(nodes(first))
    return build(SubgraphSpec(chain, [first], chain[-1].outputs))


def measure(path: str, target: str, runs: int) -> list[dict[str, float]]:
    """What each of `runs` processes found."""
    command = [sys.executable, "-c", MEASURE, path, target]
    return [json.loads(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(runs)]


def main() -> None:
    """Make the model, measure and print; write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--operators", type=int, default=5000)
    parser.add_argument("--megabytes", type=float, default=50)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--target", default="cortex-m4")
    parser.add_argument("--keep", metavar="FILE", help="write the model here, or take it from here if it exists")
    parser.add_argument("--json", help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or os.path.join(folder, "big.tflite")
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.write(model(options.operators, int(options.megabytes * 1e6)))
        found = measure(path, options.target, options.runs)
    size = found[0]
    print(f"{size['operators']:,} operators, {size['bytes']:,} bytes: arena {size['arena']:,}")
    print(f"{'':<12}{'min':>10}{'max':>10}")
    for name in ("load", "simulate", "together", "cpu"):
        taken = [each[name] for each in found]
        print(f"{name + ' s':<12}{min(taken):>10.3f}{max(taken):>10.3f}")
    print(f"{'memory MB':<12}{min(each['memory'] for each in found) / 1e6:>10.1f}")
    if options.json:
        facts = {"python": platform.python_version(), "machine": platform.machine(), "runs": found}
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(facts, file, indent=2)


if __name__ == "__main__":
    main()
