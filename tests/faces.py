"""The same script through the official package and through refinfer: only the import changes.

A script runs in a process of its own, since official runtimes may end it, and tells what it finds in JSON, a line each.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

TOOLS = '''
import json, os, sys
from hashlib import sha256
import numpy as np

def plain(value):
    """A value in JSON, with the types of arrays and numbers."""
    if isinstance(value, np.ndarray):
        data = value.tobytes() if value.dtype.kind != "O" else repr(value.tolist()).encode()
        return [value.dtype.str, list(value.shape), data.hex() if len(data) < 100 else sha256(data).hexdigest()]
    if isinstance(value, np.generic):
        return [value.dtype.str, np.asarray(value).tobytes().hex()]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(plain, value)]
    if isinstance(value, (int, float, str, type(None))):
        return value
    return value.__name__ if isinstance(value, type) else type(value).__name__

def say(value):
    print(json.dumps(plain(value)))

def kind(error):
    """The builtin class of an error; of a ValueError the words too, in which its place is not counted."""
    return next(each.__name__ for each in type(error).__mro__ if each.__module__ == "builtins")

def attempt(function, *arguments, **keywords):
    """What comes out, or what is raised: the class, and the message of a ValueError."""
    try:
        say(function(*arguments, **keywords))
    except Exception as error:
        say([kind(error), " ".join(str(error).split()) if isinstance(error, ValueError) else ""])

def fails(function, *arguments, **keywords):
    """The class of what is raised, whatever its message."""
    try:
        function(*arguments, **keywords)
    except Exception as error:
        say(kind(error))
    else:
        say("nothing is raised")

def numbers(seed, shape, dtype):
    """Random numbers: all that 8 and 16 bits have, small ones of wider integers, which may be indices."""
    rng = np.random.Generator(np.random.PCG64(seed))
    dtype = np.dtype(dtype)
    if dtype.kind in "fc":
        return np.asarray(rng.uniform(-1, 1, shape)).astype(dtype)
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    return np.asarray(rng.integers(0, 2, shape)).astype(dtype)

def apart(function, *arguments):
    """What a function gives in a process of its own, which may crash."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with os.fdopen(writer, "w") as pipe:
                pipe.write(json.dumps(plain(function(*arguments))))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else "crash"
'''


def told(script: str, old: str, new: str, *arguments: str) -> list[Any]:
    """What the script says with one line of it changed, from `old` to `new`."""
    assert script.count(old) == 1
    text = TOOLS + script.replace(old, new)
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]
