"""Who runs a model once loads and waits for as little as possible, and no process is held up or dies at its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from refinfer.kernels.compiled import cache

MODELS = Path(__file__).resolve().parents[1] / "models"
CONV = str(MODELS / "digits_conv_int8.tflite")


def python(script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=os.environ | variables)


LOADED = "print(*sorted({'numpy', 'numba', 'flatbuffers'} & set(sys.modules)))"


def test_importing_refinfer_loads_neither_numpy_nor_numba() -> None:
    assert python(f"import sys, refinfer; {LOADED}").stdout == "\n"


@pytest.mark.parametrize("engine", ["auto", "numpy"])
def test_a_single_run_loads_numpy_alone(engine: str, tmp_path: Path) -> None:
    script = f"""
import sys
from refinfer.interpreter import Interpreter
interpreter = Interpreter(sys.argv[1])
interpreter.allocate_tensors()
interpreter.invoke()
{LOADED}
"""
    done = python(script, CONV, REFINFER_ENGINE=engine, REFINFER_CACHE_DIR=str(tmp_path))
    assert (done.stdout, done.stderr) == ("numpy\n", "")
    assert list(tmp_path.iterdir()) == []


WITHOUT_NUMBA = "import sys; sys.modules['numba'] = None; from refinfer.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run", CONV], 0),
        (["run", CONV, "--dialect", "tflm", "--repeat", "3"], 0),
        (["diff", CONV, "--seeds", "2", "--ours-only"], 0),
        (["evaluate", str(MODELS / "digits_dense_int8.tflite"), str(MODELS / "digits_held_out.npz"), "--std", "16"], 0),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else "",
)
def test_all_commands_run_without_numba_and_answer_the_same(arguments: list[str], code: int) -> None:
    done = python(WITHOUT_NUMBA, *arguments, "--json")
    assert (done.returncode, done.stderr) == (code, "")
    with_numba = python(WITHOUT_NUMBA.replace("sys.modules['numba'] = None", "pass"), *arguments, "--json")
    assert without_times(with_numba.stdout) == without_times(done.stdout)


def without_times(text: str) -> list[str]:
    """The lines but for those that say how long it took."""
    lines = text.splitlines()
    first = next((i for i, line in enumerate(lines) if '"seconds"' in line), len(lines))
    return lines[:first]


def test_without_numba_there_is_nothing_to_warm_up() -> None:
    done = python(WITHOUT_NUMBA, "warmup")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "refinfer: compiled kernels need numba: pip install 'refinfer[fast]'\n"


# the end of a process


LEAVE = """
import sys, time
from refinfer.kernels.compiled import tiers
tiers.cache.is_filled = lambda: sys.argv[1] == "load"
tiers.FILL = ("-c", "import time; time.sleep(20)")
tiers.tier("auto").spent(2 * tiers.PATIENCE)
time.sleep(float(sys.argv[2]))
print("left")
"""


@pytest.mark.parametrize("seconds", ["0", "0.05", "0.2", "0.5"])
@pytest.mark.parametrize("work", ["load", "fill"])
def test_a_process_may_end_while_kernels_are_loaded_or_compiled(work: str, seconds: str) -> None:
    pytest.importorskip("numba", reason="compiled kernels need numba")
    done = python(LEAVE, work, seconds)
    assert (done.returncode, done.stdout, done.stderr) == (0, "left\n", "")


SWITCH = """
import sys, time
from refinfer.interpreter import Interpreter
from refinfer.kernels.compiled import tiers
tiers.PATIENCE = 0.01
interpreter = Interpreter(sys.argv[1], engine="auto")
interpreter.allocate_tensors()
interpreter.set_tensor(0, interpreter.get_tensor(0) + 7)
interpreter.invoke()
first = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
end = time.monotonic() + 60
while not interpreter._machine.tier.ready and time.monotonic() < end:
    interpreter.invoke()
interpreter.invoke()
last = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
print("numba" in sys.modules, first.tobytes() == last.tobytes(), (interpreter.get_tensor(0) == 7).all())
"""


def test_compiled_kernels_take_over_when_they_are_there() -> None:
    pytest.importorskip("numba", reason="compiled kernels need numba")
    import refinfer

    refinfer.warmup()
    done = python(SWITCH, CONV)
    assert (done.stdout, done.stderr) == ("True True True\n", "")


# the cache


def test_one_process_at_a_time_fills_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="compiled kernels need numba")
    monkeypatch.setenv("REFINFER_CACHE_DIR", str(tmp_path))
    assert cache.claim()
    assert not cache.claim()
    cache.give_up()
    assert cache.claim()
    os.utime(cache._claim(), (0, 0))  # of one that died long ago
    assert cache.claim()


def test_a_cache_that_cannot_be_written_is_made_for_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba", reason="compiled kernels need numba")
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("REFINFER_CACHE_DIR", str(file))
    made = cache.directory()
    assert made.is_dir()
    assert made != cache.place()
    assert cache.directory() == made


READ_ONLY = """
import os
from refinfer.kernels.compiled import cache
os.access = lambda path, mode: False
from refinfer.kernels.compiled import jit, walker
(dispatcher,) = jit.DISPATCHERS
print(cache.directory() != cache.place(), sum(dispatcher.stats.cache_hits.values()))
"""


def test_a_cache_that_someone_has_filled_need_not_be_writable() -> None:
    pytest.importorskip("numba", reason="compiled kernels need numba")
    import refinfer

    refinfer.warmup()
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        pytest.skip("nothing is compiled")
    done = python(READ_ONLY)
    assert (done.stdout, done.stderr) == ("True 1\n", "")
