#!/usr/bin/env python3
"""Writes scenarios/*.yaml into a C file, sorted by name.

usage: embed.py OUT.c SCENARIO.yaml...
"""
import pathlib
import sys


def rows(text):
    for at in range(0, len(text), 16):
        yield "    " + " ".join(f"{byte}," for byte in text[at:at + 16])


def main():
    out, *paths = map(pathlib.Path, sys.argv[1:])
    paths.sort(key=lambda path: path.stem)
    lines = ["/* Made by sim/scenario/embed.py. */", '#include "sim/scenario/builtin.h"', ""]
    for number, path in enumerate(paths):
        lines += [f"/* {path.name} */", f"static const uint8_t text_{number}[] = {{",
                  *rows(path.read_bytes()), "};"]
    lines += ["", "const struct scenario_builtin scenario_builtins[] = {"]
    lines += [f'    {{"{path.stem}", "scenarios/{path.name}", text_{number}, sizeof text_{number}}},'
              for number, path in enumerate(paths)]
    lines += ["};", f"const uint32_t scenario_builtin_count = {len(paths)};", ""]
    out.write_text("\n".join(lines))


main()
