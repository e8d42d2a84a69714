#!/usr/bin/env python3
"""Checks headers and includes: each header compiles alone and twice, and layers are kept.

usage: headers.py ROOT COMPILER...

A file may include its own folder's headers, and from other folders only their doors
(folder/folder.h), of layers that it may use; PRIVATE lists the exceptions. Fuzzers look inside, as
unit tests do. Exit status 0 or 1.
"""
import pathlib
import re
import subprocess
import sys

LAYERS = {
    "kernel": {"kernel"},
    "vfs": {"vfs", "kernel"},
    "oracle": {"oracle", "kernel"},
    "sim": {"sim", "kernel", "vfs", "oracle"},
    "tools": {"tools", "sim", "kernel", "vfs", "oracle"},
    "examples": {"sim", "kernel"},
    "bench": {"bench", "sim", "kernel", "vfs", "oracle"},
    "fuzz": {"fuzz", "kernel", "vfs", "oracle", "sim"},
}
# The benchmark of the durable log drives it without a node around it. The farm makes the runs that
# octo-sim makes, and names and reports them alike. All programs read the words of a command line
# alike.
PRIVATE = {"bench/wal": {"kernel/wal/wal.h", "kernel/wal/record.h"},
           "tools": {"sim/main/words.h"},
           "tools/farm": {"sim/main/outcome.h", "sim/main/object.h", "sim/main/scenarios.h",
                          "sim/main/words.h"}}
SYSTEM_IN_KERNEL = {"stdalign.h", "stdbool.h", "stddef.h", "stdint.h", "string.h", "limits.h",
                    "stdatomic.h", "xxhash.h", "lz4.h", "sodium.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)


def includes(path):
    return INCLUDE.findall(path.read_text())


def layer_offences(root):
    for folder, allowed in LAYERS.items():
        for path in sorted((root / folder).rglob("*.[ch]")):
            for kind, name in includes(path):
                where = f"{path.relative_to(root)}: includes {name}"
                if kind == "<":
                    if folder == "kernel" and name not in SYSTEM_IN_KERNEL:
                        yield f"{where}: the kernel may use freestanding headers only"
                    continue
                target = name.split("/")[0]
                if not (root / name).is_file():
                    yield f"{where}: no such header from the project's root"
                elif target not in allowed:
                    yield f"{where}: {folder}/ may not use {target}/"
                elif (folder not in (target, "fuzz") and name != f"{target}/{target}.h" and
                      name not in PRIVATE.get(path.parent.relative_to(root).as_posix(), ())):
                    yield f"{where}: use the door {target}/{target}.h"


def compile_offences(root, compiler):
    for path in sorted(p for folder in LAYERS for p in (root / folder).rglob("*.h")):
        name = path.relative_to(root)
        twice = f'#include "{name}"\n#include "{name}"\n'
        run = subprocess.run([*compiler, "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
                              "-fsyntax-only", f"-I{root}", "-x", "c", "-"], input=twice,
                             capture_output=True, text=True)
        if run.returncode != 0:
            yield f"{name}: does not compile alone:\n{run.stderr}"


def main():
    if len(sys.argv) < 3:
        print(__doc__)
        return 2
    root = pathlib.Path(sys.argv[1])
    offences = list(layer_offences(root)) + list(compile_offences(root, sys.argv[2:]))
    for offence in offences:
        print(offence)
    print(f"{len(offences)} offences")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
