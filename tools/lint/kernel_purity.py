#!/usr/bin/env python3
"""Proves that an archive is pure: no system call, no heap, no clock, no mutable global (K1, K2).

usage: kernel_purity.py ARCHIVE [--allow SYMBOL ...]

Every symbol that the archive needs from outside must be on the allow-list, and it may define no
data that can change. Exit status 0 if pure, 1 if not (each offence on a line), 2 on bad usage.
"""
import argparse
import subprocess
import sys

# Memory moves, the assert hook, what compilers insert (clang makes bcmp of a memcmp that only asks for
# equality), and the calls of lz4 that work in the caller's memory. Nothing that does I/O or allocates.
LZ4 = {"LZ4_compress_fast_extState", "LZ4_decompress_safe"}
ALLOWED = LZ4 | {"memcpy", "memmove", "memset", "memcmp", "bcmp", "octo_assert_failed",
                 "_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}
# Added by instrumented builds only.
INSTRUMENTED = ("__asan_", "__ubsan_", "__sanitizer_", "__gcov_", "__llvm_prof", "__lsan_")


def symbols(archive):
    out = subprocess.run(["nm", "--format=posix", archive], check=True, capture_output=True,
                         text=True).stdout
    member = archive
    for line in out.splitlines():
        fields = line.split()
        if len(fields) == 1 and line.endswith(":"):
            member = line.rstrip(":")
        elif len(fields) >= 2:
            yield member, fields[0], fields[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("archive")
    parser.add_argument("--allow", action="append", default=[])
    arguments = parser.parse_args()
    allowed = ALLOWED | set(arguments.allow)
    every = list(symbols(arguments.archive))
    if not every:
        print(f"{arguments.archive}: no symbols: nothing was checked")
        return 1
    defined = {name for _, name, kind in every if kind not in "Uw"}
    offences = []
    for member, name, kind in every:
        if name.startswith(INSTRUMENTED) or name.startswith("__odr_asan"):
            continue
        if kind in "Uw" and name not in defined and name not in allowed:
            offences.append(f"{member}: needs {name}, which is not on the allow-list")
        if kind in "DdBbCcSsGg" and not name.startswith((".L", "_.asan", ".LASAN")):
            if kind in "dD" and is_relocated_constant(arguments.archive, name):
                continue
            offences.append(f"{member}: defines {name}, data that can change")
    for offence in sorted(set(offences)):
        print(offence)
    print(f"{arguments.archive}: {len(defined)} symbols, {len(set(offences))} offences")
    return 1 if offences else 0


def is_relocated_constant(archive, name):
    """Constant tables of pointers live in .data.rel.ro in position-independent code."""
    out = subprocess.run(["objdump", "-t", archive], check=True, capture_output=True, text=True).stdout
    return any(line.split()[-1] == name and ".data.rel.ro" in line
               for line in out.splitlines() if line.split())


if __name__ == "__main__":
    sys.exit(main())
