#!/usr/bin/env python3
"""Tests octo-min from outside: usage, exit status, documentation. What it makes of real failures is
tested with planted bugs: tools/octo-min-table.

usage: test_octo_min.py PATH-TO-octo-min [unittest arguments]
"""
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = ""

BAD_USAGE = [
    (["--frobnicate"], "unknown flag"),
    (["--see", "1"], "never abbreviated"),
    (["--seed"], "--seed wants a value"),
    (["--seed", "x"], "--seed wants a whole number"),
    (["--nodes", "10"], "from 1 to 9"),
    (["--jobs", "0"], "from 1 to 64"),
    (["--for", "1e3"], "--for wants"),
    (["--faults", "some"], "swarm, none, all or disk"),
    (["a.plan", "b.plan"], "unexpected argument"),
    (["a.plan", "--seed", "3"], "the plan says which run"),
    (["/nonexistent/a.plan"], "cannot read"),
]


# A network too slow for any leader: liveness breaks without a bug.
HOPELESS = ("name: hopeless\nsummary: A test\nmix: none\nnetwork:\n  latency: 1s\n"
            "clients:\n  duration: 1s\n  give-up: 1s\noracles:\n  linearizable: off\n")


def octo_min(*words):
    return subprocess.run([PROGRAM, *map(str, words)], text=True, capture_output=True, timeout=120)


def help_flags():
    return set(re.findall(r"--[a-z-]+", octo_min("--help").stdout.split("Flags")[1])) - {"--flag"}


class Usage(unittest.TestCase):
    def test_bad_usage_is_one_clear_line_and_status_2(self):
        for words, wants in BAD_USAGE:
            done = octo_min(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertIn(wants, done.stderr, words)
            self.assertEqual(done.stderr.count("\n"), 1, words)

    def test_manual_and_completions_know_the_same_flags(self):
        flags = help_flags()
        self.assertIn("--same-seed", flags)
        manual = set(re.findall(r"\*(--[a-z-]+)\*", (ROOT / "docs/octo-min.1.scd").read_text()))
        self.assertEqual(manual, flags)
        bash = set(re.findall(r"--[a-z-]+", (ROOT / "completions/octo-min.bash").read_text()))
        self.assertEqual(bash - {"--"}, flags)
        zsh = set(re.findall(r"--[a-z-]+", (ROOT / "completions/_octo-min").read_text()))
        self.assertEqual(zsh, flags)
        fish = set(re.findall(r" -l ([a-z-]+)", (ROOT / "completions/octo-min.fish").read_text()))
        self.assertEqual({f"--{flag}" for flag in fish}, flags)

    def test_a_run_that_breaks_nothing(self):
        done = octo_min("--seed", 1, "--nodes", 3, "--ops", 20)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("breaks nothing", done.stderr)

    def test_a_run_that_breaks_becomes_a_plan_with_its_story(self):
        with tempfile.TemporaryDirectory() as folder:
            scenario = pathlib.Path(folder) / "hopeless.yaml"
            scenario.write_text(HOPELESS)
            plan = pathlib.Path(folder) / "small.plan"
            run = ["--scenario", scenario, "--same-seed", "--seed", 1, "--ops", 20, "--for", 5]
            unwritable = octo_min(*run, "-o", plan / "below")
            self.assertEqual((unwritable.returncode, unwritable.stdout), (2, ""))
            self.assertRegex(unwritable.stderr, "^octo-min: cannot write .*small.plan/below.*\n$")
            done = octo_min(*run, "-o", plan)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            story = [line[2:] for line in plan.read_text().splitlines() if line.startswith("#  ")]
            self.assertIn("\nWhat happens:\n" + "\n".join(story) + "\n", done.stdout)
            self.assertGreater(len(story), 3)
            self.assertRegex(story[-1], r"^  and then: liveness: .*\d")
            self.assertNotIn("detail=", "".join(story))

    def test_a_run_that_shows_too_little_is_not_minimized(self):
        with tempfile.TemporaryDirectory() as folder:
            scenario = pathlib.Path(folder) / "vacuous.yaml"
            scenario.write_text("name: vacuous\nsummary: A test\nnodes: 1\noperations: 20\n"
                                "faults:\n  partition-leader: on\n")
            done = octo_min("--scenario", scenario, "--seed", 1)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("shows nothing, either (non-vacuous: the scenario turns", done.stderr)

    def test_a_plan_is_found_again_under_its_own_name(self):
        with tempfile.TemporaryDirectory() as folder:
            scenario = pathlib.Path(folder) / "hopeless.yaml"
            plan = pathlib.Path(folder) / "own.plan"
            scenario.write_text(HOPELESS)
            run = ["--scenario", scenario, "--same-seed", "--ops", 20, "--for", 2, "-q"]
            self.assertEqual(octo_min(*run, "-o", plan).returncode, 0)
            plan.chmod(0o640)
            expect = re.search("^expect .*$", plan.read_text(), re.M)[0]
            self.assertEqual(octo_min(plan, "--for", 2, "-q", "-o", plan).returncode, 0)
            self.assertIn(expect + "\n", plan.read_text())
            self.assertEqual(plan.stat().st_mode & 0o777, 0o640)
            self.assertEqual(sorted(path.name for path in plan.parent.iterdir()),
                             ["hopeless.yaml", "own.plan"])
            full = octo_min(plan, "--for", 2, "-q", "-o", "/dev/full")
            self.assertEqual(full.returncode, 2)
            self.assertIn("cannot write '/dev/full': No space left", full.stderr)
            self.assertTrue(full.stdout.startswith("octo-plan 1\n"))
            long = pathlib.Path(folder) / ("x" * 120 + ".yaml")
            long.write_text(HOPELESS)
            done = octo_min("--scenario", long, "-o", plan)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("less than 128 bytes", done.stderr)

    def test_a_bad_plan_names_its_line(self):
        with tempfile.TemporaryDirectory() as folder:
            plan = pathlib.Path(folder) / "bad.plan"
            plan.write_text("octo-plan 1\nnodes none\n")
            done = octo_min(plan)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"{plan}:2: nodes wants", done.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    PROGRAM = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main()
