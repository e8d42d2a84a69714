#!/usr/bin/env python3
"""Tests octo-sim from outside: usage, exit status, reports, traces.

usage: test_octo_sim.py PATH-TO-octo-sim [unittest arguments]
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = ""
SMALL = ["--nodes", "3", "--ops", "60"]
FIELDS = {"seed": int, "nodes": int, "scenario": str, "ops": int, "build": str, "verdict": str,
          "replay": str, "hash": str, "events": int, "virtual_ns": int, "wall_ns": int,
          "acked": int, "failed": int, "unknown": int, "elections": int, "crashes": int,
          "impaired": int, "lies_told": int, "lies_ended": int,
          "faults": dict, "marks": dict, "excuses": dict}
NULLABLE = ["property", "event", "why"]
STATUS = {"ok": 0, "broken": 1, "undecided": 4}
U64 = 18446744073709551615
# event, virtual microseconds, node, role and term, what, the rest
TRACE_LINE = re.compile(r"^[ \d]{8} [ \d]{13}\.\d{3} (--|n\d) ([SFPCLH][ \d]{5,}|- {5}-) "
                        r"[ a-z-]{8} \S")

# Arguments, and what the one line on standard error must mention.
BAD_USAGE = [
    (["--frobnicate"], "--frobnicate"),
    (["-x"], "-x"),
    (["--see", "1"], "--see"),
    (["--node", "3"], "--node"),
    (["--op=3"], "--op"),
    (["--js"], "--js"),
    (["--check"], "--check"),
    (["--keep", "--seeds", "1..2"], "--keep"),
    (["--seed"], "--seed wants a value"),
    (["--nodes"], "--nodes wants a value"),
    (["--trace"], "--trace wants a value"),
    (["--json=1"], "--json takes no value"),
    (["--quiet=yes"], "--quiet takes no value"),
    (["--nodes", "0"], "1 to 9"),
    (["--nodes", "10"], "1 to 9"),
    (["--nodes", "1000"], "1 to 9"),
    (["--nodes", "-3"], "1 to 9"),
    (["--nodes", "4294967299"], "1 to 9"),
    (["--nodes", "three"], "1 to 9"),
    (["--seed", ""], str(U64)),
    (["--seed", "x"], str(U64)),
    (["--seed", "-1"], str(U64)),
    (["--seed", "+1"], str(U64)),
    (["--seed", " 1"], str(U64)),
    (["--seed", "1 "], str(U64)),
    (["--seed", "12x"], str(U64)),
    (["--seed", "0x10"], str(U64)),
    (["--seed", "1.5"], str(U64)),
    (["--seed", str(U64 + 1)], str(U64)),
    (["--seed", "99999999999999999999999"], str(U64)),
    (["--seed=--nodes"], str(U64)),
    (["--seed", "1\n2"], str(U64)),
    (["--seeds", "1"], "A..B"),
    (["--seeds", "1.."], "A..B"),
    (["--seeds", "..5"], "A..B"),
    (["--seeds", "5..1"], "A..B"),
    (["--seeds", "1..2x"], "A..B"),
    (["--seeds", "1-2"], "A..B"),
    (["--seeds", f"1..{U64 + 1}"], "A..B"),
    (["--seeds", "1..2", "--seed", "1"], "--seed"),
    (["--seeds", "1..2", "--trace", "x"], "--trace"),
    (["--seeds", "1..2", "--until", "5"], "--until"),
    (["--seeds", "1..2", "--dump", "1"], "--dump"),
    (["--record", ""], "--record wants the name of a file"),
    (["--seeds", "1..2", "--record", "x"], "--record"),
    (["--replay", "x", "--seed", "1"], "--replay"),
    (["--replay", "x", "--nodes", "3"], "--replay"),
    (["--replay", "x", "--seeds", "1..2"], "--replay"),
    (["--check-determinism", "--replay", "x"], "--replay"),
    (["--keep-going"], "--seeds"),
    (["--check-determinism", "--until", "5"], "--until"),
    (["--check-determinism", "--trace", "x"], "--trace"),
    (["--dump", "1", "--json"], "--json"),
    (["--ops", "0"], "1 to 100000"),
    (["--ops", "100001"], "1 to 100000"),
    (["--faults", "some"], "swarm, none, all or disk"),
    (["--faults", ""], "swarm, none, all or disk"),
    (["--io-errors", "0"], "1 to 50"),
    (["--io-errors", "51"], "1 to 50"),
    (["--io-errors", "5%"], "1 to 50"),
    (["--crash-cycles", "0"], "1 to 100"),
    (["--crash-cycles", "101"], "1 to 100"),
    (["--unbounded=1"], "--unbounded takes no value"),
    (["--until", "0"], "1 to"),
    (["--until", "soon"], "1 to"),
    (["--dump", "0"], "1 to 9"),
    (["--dump", "4", "--nodes", "3"], "1 to 3"),
    (["42"], "42"),
    (["--seed", "1", "extra"], "extra"),
    (["--", "--seed", "1"], "--seed"),
    (["--trace", ""], "--trace"),
    (["--trace", "/nonexistent/folder/file"], "/nonexistent/folder/file"),
    (["--trace", "/"], "'/'"),
]


def sim(*words, **options):
    return subprocess.run([PROGRAM, *map(str, words)], text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, **options)


def run_json(*words):
    done = sim(*words, "--json")
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout + done.stderr
    return done.returncode, json.loads(lines[0])


def help_flags():
    return set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", sim("--help").stdout, re.M))


class Usage(unittest.TestCase):
    def test_bad_usage_is_one_clear_line_and_status_2(self):
        for words, mention in BAD_USAGE:
            with self.subTest(words=words):
                done = sim(*words)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertRegex(done.stderr, r"\Aocto-sim: [^\n]+\n\Z")
                self.assertIn(mention, done.stderr)

    def test_a_full_disk_is_reported(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        done = sim(*SMALL, "--trace", "/dev/full")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"\Aocto-sim: cannot write '/dev/full'[^\n]*\n\Z")
        with open("/dev/full", "w") as full:
            done = subprocess.run([PROGRAM, *SMALL], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 3)
        self.assertIn("standard output", done.stderr)

    def test_good_spellings(self):
        for words in (["--seed=7"], ["--seed", "007"], ["--seed", U64], ["--seed", "0"],
                      ["-q"], ["--seed", "1", "--seed", "7"]):
            with self.subTest(words=words):
                self.assertIn(sim(*SMALL, *words).returncode, (0, 1, 4))

    def test_help(self):
        for word in ("--help", "-h"):
            done = sim(word)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("usage: octo-sim", done.stdout)
            self.assertLessEqual(max(map(len, done.stdout.splitlines())), 100)
        for word in ("0", "1", "2", "3", "4"):
            self.assertRegex(done.stdout, rf"(?s)Exit status.*\b{word} ")
        self.assertEqual(help_flags(), {
            "--seed", "--seeds", "--keep-going", "--scenario", "--list-scenarios", "--nodes", "--ops", "--faults",
            "--io-errors", "--crash-cycles", "--unbounded", "--trace", "--record", "--replay",
            "--until", "--dump", "--check-determinism", "--json", "--quiet", "--help", "--version"})

    def test_version(self):
        done = sim("--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"\Aocto-sim \d+\.\d+\.\d+ [^\n]+\n\Z")

    def test_manual_and_completions_know_the_same_flags(self):
        flags = help_flags()
        manual = (ROOT / "docs" / "octo-sim.1.scd").read_text()
        section = manual.split("# FLAGS")[1].split("\n# ")[0]
        self.assertEqual(set(re.findall(r"^\*?.*?\*(--[a-z-]+)\*", section, re.M)) & flags, flags)
        self.assertEqual(set(re.findall(r"\*(--[a-z-]+)\*", manual)), flags)
        folder = ROOT / "completions"
        bash = set(re.findall(r"(?<![\w-])--[a-z-]+", (folder / "octo-sim.bash").read_text()))
        self.assertEqual(bash, flags)
        zsh = set(re.findall(r"(?<![\w-])--[a-z-]+", (folder / "_octo-sim").read_text()))
        self.assertEqual(zsh, flags)
        fish = {"--" + name for name in
                re.findall(r" -l ([a-z-]+)", (folder / "octo-sim.fish").read_text())}
        self.assertEqual(fish, flags)


class Runs(unittest.TestCase):
    def test_report(self):
        done = sim("--seed", 42, *SMALL)
        self.assertIn(done.returncode, (0, 1, 4))
        first = done.stdout.splitlines()[0]
        self.assertRegex(first, r"^seed 42: (ok|broken|undecided).*\(3 nodes, 60 operations\)$")
        for label in ("events ", "elections", "crashes", "restarts", "impaired nodes",
                      "sectors that lied", "faults", "acknowledged",
                      "failed", "unknown", "virtual time", "wall time", "events per second"):
            self.assertIn(label, done.stdout)
        self.assertRegex(done.stdout, r"trace hash +[0-9a-f]{16}\n")
        self.assertNotIn("\033", done.stdout)
        self.assertEqual(done.stderr, "")

    def test_quiet(self):
        done = sim("--seed", 42, *SMALL, "-q")
        self.assertEqual(done.stdout == "", done.returncode == 0)

    def test_json_has_the_required_fields(self):
        for seed in (0, 7, U64):
            status, run = run_json("--seed", seed, *SMALL)
            for name, kind in FIELDS.items():
                self.assertIsInstance(run.get(name), kind, name)
            for name in NULLABLE:
                self.assertIn(name, run)
            self.assertEqual((run["seed"], run["nodes"], run["ops"]), (seed, 3, 60))
            self.assertRegex(run["hash"], r"\A[0-9a-f]{16}\Z")
            self.assertEqual(status, STATUS[run["verdict"]])
            self.assertEqual(run["acked"] + run["failed"] + run["unknown"], 60)
            self.assertEqual(run["verdict"] == "broken", run["property"] is not None)
            for name in ("faults", "marks", "excuses"):
                self.assertTrue(all(isinstance(count, int) for count in run[name].values()))

    def test_same_seed_same_hash_other_seed_other_hash(self):
        hashes = [run_json("--seed", seed, *SMALL)[1]["hash"] for seed in (5, 5, 6)]
        self.assertEqual(hashes[0], hashes[1])
        self.assertNotEqual(hashes[0], hashes[2])

    def test_the_replay_line_replays(self):
        _, run = run_json("--seed", 9, "--nodes", 3, "--ops", 50, "--faults", "all")
        done = subprocess.run(run["replay"] + " --json", shell=True, text=True, capture_output=True)
        self.assertEqual(json.loads(done.stdout)["hash"], run["hash"])

    def test_the_replay_line_has_every_option(self):
        options = ["--faults", "disk", "--io-errors", 5, "--crash-cycles", 2, "--unbounded"]
        _, run = run_json("--seed", 9, "--nodes", 3, "--ops", 50, *options)
        self.assertTrue(run["replay"].endswith(" ".join(map(str, options))), run["replay"])
        done = subprocess.run(run["replay"] + " --json", shell=True, text=True, capture_output=True)
        self.assertEqual(json.loads(done.stdout)["hash"], run["hash"])

    def test_disk_faults_leave_the_network_alone(self):
        _, run = run_json("--seed", 4, *SMALL, "--faults", "disk")
        self.assertEqual({name: count for name, count in run["faults"].items() if count > 0 and
                          name.startswith(("message-", "partition-", "clock-", "client-"))}, {})

    def test_crash_cycles_crash_every_node_so_often(self):
        _, run = run_json("--seed", 2, *SMALL, "--faults", "none", "--crash-cycles", 3)
        self.assertGreaterEqual(run["crashes"], 3 * 3)
        self.assertGreaterEqual(run["restarts"], 3 * 3)

    def test_io_errors_strike_reads_writes_and_syncs(self):
        _, run = run_json("--seed", 2, *SMALL, "--io-errors", 10)
        for name in ("disk-read-error", "disk-write-error", "disk-sync-error"):
            self.assertGreater(run["faults"][name], 0, name)

    def test_no_faults_means_none(self):
        _, run = run_json("--seed", 3, *SMALL, "--faults", "none")
        self.assertEqual(sum(run["faults"].values()), 0)
        self.assertEqual(run["acked"], 60)

    def test_every_size_of_cluster(self):
        for nodes in range(1, 10):
            status, run = run_json("--seed", 11, "--nodes", nodes, "--ops", 20)
            self.assertIn(status, (0, 1, 4))
            self.assertEqual(run["nodes"], nodes)


class Traces(unittest.TestCase):
    def test_trace_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "run.trace"
            _, plain = run_json("--seed", 5, *SMALL)
            _, traced = run_json("--seed", 5, *SMALL, "--trace", path)
            self.assertEqual(plain["hash"], traced["hash"], "watching changes nothing")
            lines = path.read_text().splitlines()
            self.assertGreater(len(lines), plain["events"])
            for line in lines:
                self.assertRegex(line, TRACE_LINE)
            events = [int(line[:8]) for line in lines]
            self.assertEqual(events, sorted(events))
            self.assertEqual(events[-1], plain["events"])

    def test_trace_on_standard_output(self):
        done = sim("--seed", 5, *SMALL, "--trace", "-")
        self.assertTrue(all(TRACE_LINE.match(line) for line in done.stdout.splitlines()))
        self.assertTrue(done.stderr.startswith("seed 5: "))
        again = sim("--seed", 5, *SMALL, "--trace", "-")
        self.assertEqual(done.stdout, again.stdout)

    def test_until_and_dump(self):
        done = sim("--seed", 5, *SMALL, "--until", 100, "--dump", 2)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"\Aseed 5: ok up to event 100, .*\n")
        self.assertRegex(done.stdout, r"(?m)^n2 at event 100: ")
        _, run = run_json("--seed", 5, *SMALL, "--until", 100)
        self.assertEqual((run["events"], run["complete"]), (100, False))
        done = sim("--seed", 5, *SMALL, "--dump", 1)
        self.assertRegex(done.stdout, r"(?m)^n1 at event \d+: ")


class Many(unittest.TestCase):
    def test_sums(self):
        done = sim("--seeds", "1..12", *SMALL, "--json", "--keep-going")
        *runs, last = map(json.loads, done.stdout.splitlines())
        self.assertEqual([run["seed"] for run in runs], list(range(1, 13)))
        self.assertTrue(last["summary"])
        self.assertEqual(last["runs"], 12)
        self.assertEqual(last["ok"] + last["broken"] + last["undecided"], 12)
        for name in ("events", "elections", "crashes", "acked", "virtual_ns", "impaired",
                     "lies_told", "lies_ended"):
            self.assertEqual(last[name], sum(run[name] for run in runs), name)
        for name in ("faults", "marks", "excuses"):
            for kind, count in last[name].items():
                self.assertEqual(count, sum(run[name][kind] for run in runs), kind)
        alone = run_json("--seed", 12, *SMALL)[1]
        self.assertEqual(alone["hash"], runs[11]["hash"], "a reused block changes nothing")

    def test_report(self):
        done = sim("--seeds", "1..5", *SMALL, "--keep-going")
        self.assertRegex(done.stdout, r"(?m)^seeds 1\.\.5: 5 runs, \d+ ok, ")
        for label in ("marks", "liveness excuses", "runs per second", "acknowledged"):
            self.assertIn(label, done.stdout)
        self.assertEqual(done.stderr, "")

    def test_the_last_seed_of_all(self):
        done = sim("--seeds", f"{U64 - 1}..{U64}", *SMALL, "--json", "--keep-going")
        self.assertEqual(len(done.stdout.splitlines()), 3)


class Plans(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.plan = pathlib.Path(folder.name) / "run.plan"

    def test_a_recording_replays_to_the_same_hash(self):
        for flags in ([], ["--faults", "all"], ["--faults", "disk", "--io-errors", "10"],
                      ["--crash-cycles", "2"], ["--unbounded", "--faults", "disk"]):
            _, run = run_json("--seed", 11, *SMALL, *flags, "--record", self.plan)
            _, again = run_json("--replay", self.plan)
            self.assertEqual((again["hash"], again["seed"]), (run["hash"], 11), flags)
            self.assertIn(f"--replay {self.plan}", again["replay"])

    def test_a_line_that_is_taken_out_changes_the_run(self):
        _, run = run_json("--seed", 11, *SMALL, "--faults", "all", "--record", self.plan)
        lines = self.plan.read_text().splitlines()
        self.plan.write_text("\n".join(line for line in lines if not line.startswith("crash window=")))
        _, again = run_json("--replay", self.plan)
        self.assertNotEqual(again["hash"], run["hash"])
        self.assertLess(again["crashes"], run["crashes"])

    def test_what_never_matched_is_reported(self):
        run_json("--seed", 11, *SMALL, "--record", self.plan)
        self.plan.write_text(self.plan.read_text() + "crash of=9999 fault=kill bits=0\n")
        self.assertIn("never matched; the first: crash window=9999", sim("--replay", self.plan).stderr)

    def test_a_bad_plan_is_refused(self):
        for text, wants in (("octo-plan 9\n", f"{self.plan}:1: expected 'octo-plan 1'"),
                            ("octo-plan 1\nnodes 0\n", f"{self.plan}:2: nodes wants")):
            self.plan.write_text(text)
            done = sim("--replay", self.plan)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(wants, done.stderr)
        _, run = run_json("--seed", 11, *SMALL, "--record", self.plan)
        whole = self.plan.read_bytes()
        for flag in ("--record", "--trace"):
            done = sim("--replay", self.plan, flag, self.plan.parent / "." / self.plan.name)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("is named twice", done.stderr)
            self.assertEqual(self.plan.read_bytes(), whole)
        for damage in (whole[:20] + b"\0" + whole[20:], whole + b"expect ok\n"):
            self.plan.write_bytes(damage)
            self.assertEqual(sim("--replay", self.plan).returncode, 2)
        done = subprocess.run([PROGRAM, "--replay", "-", "--json"], input=whole,
                              capture_output=True)
        self.assertEqual(json.loads(done.stdout)["hash"], run["hash"])
        done = sim("--replay", self.plan.parent / "none")
        self.assertEqual(done.returncode, 2)
        self.assertIn("cannot read", done.stderr)
        done = sim("--seed", 1, *SMALL, "--record", self.plan.parent / "none" / "x")
        self.assertEqual(done.returncode, 2)
        self.assertIn("cannot write", done.stderr)


class Determinism(unittest.TestCase):
    def test_check(self):
        done = sim("--seed", 5, *SMALL, "--check-determinism")
        self.assertIn("runs are equal after every event, and so is the replay", done.stdout)
        self.assertIn(done.returncode, (0, 1, 4))
        _, run = run_json("--seed", 5, *SMALL, "--check-determinism")
        self.assertTrue(run["deterministic"])
        self.assertEqual(run["hash"], run_json("--seed", 5, *SMALL)[1]["hash"])

    def test_many(self):
        done = sim("--seeds", "1..4", *SMALL, "--check-determinism", "--json", "--keep-going")
        *runs, last = map(json.loads, done.stdout.splitlines())
        self.assertEqual((len(runs), last["different"]), (4, 0))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    PROGRAM = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main()
