#!/usr/bin/env python3
"""Tests octo-sweep from outside: usage, exit status, reports, and that the quick sweeps hold.

usage: test_octo_sweep.py PATH-TO-octo-sweep [unittest arguments]
"""
import json
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = ""
FLAGS = ["only", "nodes", "quick", "every", "point", "failures", "json", "help", "version"]
SWEEPS = ["fail", "crash", "twice", "damage", "mend"]
BAD_USAGE = [
    (["--frobnicate"], "--frobnicate"),
    (["-x"], "-x"),
    (["x"], '"x"'),
    (["--js"], "--js"),
    (["--json=1"], "takes no value"),
    (["--only"], "--only wants a value"),
    (["--only", "all"], "fail, crash, twice, damage or mend"),
    (["--nodes", "2"], "1 or 3"),
    (["--nodes", "0"], "1 or 3"),
    (["--point", "7"], "--only"),
    (["--only", "fail", "--point", "0"], "from 1 on"),
    (["--only", "fail", "--point", "-1"], "from 1 on"),
    (["--only", "fail", "--point", "18446744073709551616"], "from 1 on"),
    (["--only", "fail", "--point", "3", "--quick"], "exclude"),
    (["--only", "damage", "--nodes", "1", "--point", "99999999"], "no point"),
    (["--failures", "none"], "from 1 on"),
]


def run(*words):
    return subprocess.run([PROGRAM, *map(str, words)], text=True, capture_output=True,
                          stdin=subprocess.DEVNULL)


class Usage(unittest.TestCase):
    def test_bad_usage_says_what_was_expected(self):
        for words, mention in BAD_USAGE:
            with self.subTest(words):
                done = run(*words)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(mention, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1)
                self.assertEqual(done.stdout, "")

    def test_help_manual_and_completions_name_every_flag(self):
        texts = [run("--help").stdout, (ROOT / "docs/octo-sweep.1.scd").read_text()]
        texts += [(ROOT / "completions" / name).read_text()
                  for name in ["octo-sweep.bash", "octo-sweep.fish", "_octo-sweep"]]
        for text in texts:
            for word in FLAGS + SWEEPS:
                self.assertIn(word, text)
            self.assertNotIn("--quiet", text)

    def test_version(self):
        done = run("--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^octo-sweep \d+\.\d+\.\d+\n$")


class Sweeps(unittest.TestCase):
    def test_every_operation_fails(self):
        done = run("--only", "fail", "--nodes", 1, "--json")
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        report = json.loads(done.stdout)
        self.assertTrue(report["exhaustive"])
        row, = report["rows"]
        self.assertGreater(row["points"], 2000)
        self.assertEqual(row["run"], row["points"])
        for kind, struck in row["faults"].items():
            if not kind.startswith("disk-crash-size"):
                self.assertGreater(struck, 0, kind)
        for mark in ["flush-failed", "topic-repaired", "segment-recycled", "snapshot-failed",
                     "no-space", "space-returned", "snapshot-restored"]:
            self.assertGreater(row["marks"][mark], 0, mark)

    def test_every_sector_is_damaged(self):
        done = run("--only", "damage", "--json")
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        rows = json.loads(done.stdout)["rows"]
        self.assertEqual([(row["workload"], row["node"]) for row in rows],
                         [("one-voter", 1), ("three-voters", 1), ("three-voters", 2),
                          ("three-voters", 3)])
        for row in rows:
            self.assertEqual(row["lost"] + row["diverged"] + row["broken"], 0)
            self.assertGreater(row["marks"]["record-rewritten"], 0)
        self.assertGreater(rows[0]["out"], 0)
        self.assertGreater(rows[1]["marks"]["recovered"], 0)

    def test_crashes_quickly(self):
        done = run("--only", "crash", "--nodes", 1, "--quick")
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        self.assertIn("not exhaustive", done.stdout)
        self.assertIn(" 0 lost, 0 diverged, 0 broken", done.stdout)

    def test_a_point_is_repeated_with_its_trace(self):
        first = run("--only", "crash", "--nodes", 1, "--point", 1500)
        again = run("--only", "crash", "--nodes", 1, "--point", 1500)
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertEqual(first.stdout, again.stdout)
        for what in ["power loss", "boot", "ready", "write main-", "reply"]:
            self.assertIn(what, first.stdout)
        self.assertTrue(re.search(r"^octo-sweep --only crash --nodes 1 --point 1500$",
                                  first.stdout, re.MULTILINE))


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
