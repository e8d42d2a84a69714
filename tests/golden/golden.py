#!/usr/bin/env python3
"""Compares what the kernel does in each classic episode with its golden trace.

usage: golden.py PROGRAM FOLDER [--update]

--update rewrites the golden traces; read the difference before you commit it.
"""
import difflib
import pathlib
import subprocess
import sys


def main():
    arguments = [a for a in sys.argv[1:] if a != "--update"]
    if len(arguments) != 2:
        print(__doc__)
        return 2
    program, folder = arguments[0], pathlib.Path(arguments[1])
    names = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()
    failed = 0
    for name in names:
        story = subprocess.run([program, name], check=True, capture_output=True, text=True).stdout
        path = folder / f"{name}.trace"
        if "--update" in sys.argv:
            path.write_text(story)
            continue
        golden = path.read_text() if path.exists() else ""
        if story != golden:
            failed += 1
            sys.stdout.writelines(difflib.unified_diff(
                golden.splitlines(True), story.splitlines(True), str(path), f"{program} {name}"))
    stale = {p.stem for p in folder.glob("*.trace")} - set(names)
    for name in sorted(stale):
        failed += 1
        print(f"{folder}/{name}.trace: no such episode")
    print(f"{len(names)} episodes, {failed} differ; rewrite them with --update")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main())
