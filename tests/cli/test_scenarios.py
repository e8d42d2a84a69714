#!/usr/bin/env python3
"""Tests scenarios from outside: the built-in ones, files of the user's own, what is refused.

usage: test_scenarios.py PATH-TO-octo-sim [unittest arguments]
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
HEAD = "name: mine\nsummary: A test\n"
KINDS = {2: "vote", 3: "main", 4: "recovery", 5: "snapshot"}  # of files, as traces number them

# A file, and what the one line on standard error must say of it.
REFUSED = [
    ("", "wants a 'name'"),
    ("name: mine\n", "wants a 'summary'"),
    ("name: Mine\nsummary: A test\n", ":1: 'name' wants a name"),
    (HEAD + "name: yours\n", ":3: 'name' is given twice, first in line 1"),
    (HEAD + "faults:\n  kill: on\nfaults:\n  kill: on\n", ":5: 'faults' is given twice"),
    (HEAD + "faults:\n  kill: on\n  kill: off\n", ":5: 'kill' is given twice, first in line 4"),
    ("name: &a mine\n", ":1: anchors"),
    ("name: *a\n", ":1: aliases"),
    ("name: !!str mine\n", ":1: tags"),
    ("nodes: [1, 2]\n", ":1: lists"),
    ("- name\n", ":1: lists"),
    ("mine\n", ":1: a scenario is lines of 'key: value'"),
    ("%YAML 1.1\n---\nname: mine\n", "directives"),
    (HEAD + "---\nname: yours\n", "one scenario"),
    ("summary: one: two\n", ":1: this is not YAML"),
    ("name: \"mi\\nne\"\n", ":1: a value is one line"),
    ("name: " + 200 * "x" + "\n", ":1: a value has at most"),
    (HEAD + "scheduel:\n  window: 1s\n", ":3: unknown key 'scheduel'; did you mean 'schedule'?"),
    (HEAD + "schedule:\n  windwo: 1s\n",
     ":4: unknown key 'windwo' in 'schedule'; did you mean 'window'?"),
    (HEAD + "faults:\n  message-lots: 5%\n", "did you mean 'message-lost'?"),
    (HEAD + "require:\n  snapshot-instaled: 1\n", "did you mean 'snapshot-installed'?"),
    (HEAD + "zzzzzzzzzz: 1\n", ":3: unknown key 'zzzzzzzzzz'; docs/scenarios.md"),
    (HEAD + "faults: on\n", ":3: 'faults' wants a section"),
    (HEAD + "nodes:\n  a: 1\n", ":3: 'nodes' wants a value"),
    (HEAD + "faults:\n  kill:\n    on: 1\n", "sections hold settings"),
    (HEAD + "nodes: 10\n", ":3: 'nodes' wants a whole number from 1 to 9, not '10'"),
    (HEAD + "nodes: 3.5\n", "from 1 to 9"),
    (HEAD + "nodes:\n", "from 1 to 9"),
    (HEAD + "operations: 0\n", "from 1 to 100000"),
    (HEAD + "mix: some\n", ":3: 'mix' wants swarm, none, all or disk, not 'some'"),
    (HEAD + "unbounded: yes\n", "on or off"),
    (HEAD + "faults:\n  message-lost: many\n",
     ":4: 'message-lost' wants on, off or a percentage from 0% to 100%, not 'many'"),
    (HEAD + "faults:\n  message-lost: 5\n", "percentage"),
    (HEAD + "faults:\n  message-lost: 101%\n", "percentage"),
    (HEAD + "faults:\n  message-lost: -1%\n", "percentage"),
    (HEAD + "faults:\n  message-lost: 0.00001%\n", "percentage"),
    (HEAD + "faults:\n  kill: 5%\n", ":4: 'kill' wants on or off, not '5%'"),
    (HEAD + "faults:\n  clock-drift: 51%\n", "0% to 50%"),
    (HEAD + "schedule:\n  window: 5\n", ":4: 'window' wants a time (ns, us, ms, s)"),
    (HEAD + "schedule:\n  window: 5m\n", "10ms to 60s"),
    (HEAD + "schedule:\n  window: 99999999999999999999s\n", "10ms to 60s"),
    (HEAD + "schedule:\n  from: 2s\n  to: 1s\n", "'from' has to come before 'to'"),
    (HEAD + "schedule:\n  crash-target: nobody\n", "any, leader, follower, same or turn"),
    (HEAD + "schedule:\n  rot-target: disk\n", "any, entry, marker, vote or snapshot"),
    (HEAD + "crash-cycles: 3\nschedule:\n  crash-target: turn\n", "goes without 'crash-target'"),
    (HEAD + "storage:\n  segment-bytes: 1KiB\n", "a size (B, KiB, MiB) from 16KiB to 128KiB"),
    (HEAD + "require:\n  kill: 0\n", "from 1 to"),
    (HEAD + "faults:\n  kill: off\nrequire:\n  kill: 1\n", "'kill' is off and required"),
    (HEAD + "oracles:\n  liveness: maybe\n", ":4: 'liveness' wants on or off, not 'maybe'"),
    (HEAD + "oracles:\n  linearisable: off\n", "did you mean 'linearizable'?"),
    (HEAD + "oracles:\n  durable-ack: off\n", ":4: 'durable-ack' wants on: other oracles rest"),
    (HEAD + "ceilings:\n  excused: 2\n", "percentage"),
    (70000 * "#", "at most 65536 bytes"),
]


def sim(*words, **options):
    return subprocess.run([PROGRAM, *map(str, words)], text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, **options)


def run_json(*words):
    done = sim(*words, "--json")
    assert done.stderr == "", done.stderr
    *_, last = done.stdout.splitlines()
    return json.loads(last)


class BuiltIn(unittest.TestCase):
    def test_every_file_is_listed_with_its_summary(self):
        done = sim("--list-scenarios")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        names = [line.split()[0] for line in done.stdout.splitlines()]
        self.assertEqual(names, sorted(path.stem for path in (ROOT / "scenarios").glob("*.yaml")))
        self.assertEqual(len({len(re.match(r"\S+ +", line)[0])
                              for line in done.stdout.splitlines()}), 1, "summaries are aligned")
        rows = [json.loads(line) for line in sim("--list-scenarios", "--json").stdout.splitlines()]
        self.assertEqual([row["scenario"] for row in rows], names)
        for row in rows:
            text = (ROOT / "scenarios" / f"{row['scenario']}.yaml").read_text()
            self.assertIn(f"\nname: {row['scenario']}\n", text)
            self.assertIn(f"\nsummary: {row['summary']}\n", text)
            self.assertTrue(text.startswith("# "), "says why")
            self.assertEqual(row["seeds"], 50)
            self.assertEqual(row["ops"], 5000 if row["scenario"].startswith("stress") else 1000)

    def test_every_one_runs_and_names_itself(self):
        for row in map(json.loads, sim("--list-scenarios", "--json").stdout.splitlines()):
            with self.subTest(row["scenario"]):
                run = run_json("--scenario", row["scenario"], "--seed", 1, "--ops",
                               min(row["ops"], 1000))
                self.assertEqual((run["verdict"], run["scenario"], run["nodes"]),
                                 ("ok", row["scenario"], row["nodes"]), run["why"])

    def test_a_name_and_its_file_are_the_same_run(self):
        path = ROOT / "scenarios" / "crash-leader.yaml"
        runs = [run_json("--scenario", word, "--seed", 3) for word in ("crash-leader", path)]
        self.assertEqual(runs[0]["hash"], runs[1]["hash"])
        self.assertIn(f"--scenario {path}", runs[1]["replay"])

    def test_reference_and_swarm_are_the_mixes(self):
        for name, mix in (("reference", "all"), ("swarm", "swarm")):
            self.assertEqual(run_json("--scenario", name, "--seed", 4)["hash"],
                             run_json("--faults", mix, "--seed", 4)["hash"])

    def test_rolling_restart_restarts_nobody_while_another_is_down(self):
        done = sim("--scenario", "rolling-restart", "--seed", 1, "--trace", "-")
        kills = [line.split()[2] for line in done.stdout.splitlines() if " fault    kill" in line]
        self.assertEqual(kills[:10], 2 * ["n1", "n2", "n3", "n4", "n5"])


class Documentation(unittest.TestCase):
    def test_every_key_is_documented(self):
        text = (ROOT / "docs" / "scenarios.md").read_text()
        tunes = re.findall(r"^    T\(\w+, \"([a-z]+)\", \"([a-z-]+)\"",
                           (ROOT / "sim" / "sim.h").read_text(), re.M)
        self.assertGreater(len(tunes), 30)
        for section, key in tunes:
            self.assertIn(f"`{section}`", text)
            self.assertIn(f"`{key}`", text)

    def test_its_example_runs(self):
        text = (ROOT / "docs" / "scenarios.md").read_text().split("```yaml\n")[1].split("```")[0]
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "failover.yaml"
            path.write_text(text)
            self.assertEqual(sim("--scenario", path, "--seeds", "1..5", "-q").returncode, 0)


class Flags(unittest.TestCase):
    def test_flags_go_over_the_scenario_in_any_order(self):
        scenario = ["--scenario", "partition-leader"]
        flags = ["--nodes", 3, "--ops", 200, "--seed", 5]
        before, after = run_json(*flags, *scenario), run_json(*scenario, *flags)
        self.assertEqual((before["nodes"], before["ops"], before["seed"]), (3, 200, 5))
        self.assertEqual(before["hash"], after["hash"])

    def test_the_replay_line_replays(self):
        run = run_json("--crash-cycles", 2, "--scenario", "partition-one-way", "--seed", 2,
                       "--ops", 100, "--faults", "disk", "--io-errors", 3)
        done = subprocess.run(run["replay"] + " --json", shell=True, text=True, capture_output=True)
        self.assertEqual(json.loads(done.stdout)["hash"], run["hash"])

    def test_without_seeds_the_count_is_the_scenarios_or_the_environments(self):
        words = ["--scenario", "basic-3", "--ops", 10, "--json", "--keep-going"]
        self.assertEqual(json.loads(sim(*words).stdout.splitlines()[-1])["runs"], 50)
        for count, runs in (("3", 3), ("", 50)):
            done = sim(*words, env={**os.environ, "OCTO_SCENARIO_SEEDS": count})
            self.assertEqual(json.loads(done.stdout.splitlines()[-1])["runs"], runs)
        done = sim(*words, "--seeds", "7..8", env={**os.environ, "OCTO_SCENARIO_SEEDS": "9"})
        self.assertEqual(json.loads(done.stdout.splitlines()[-1])["runs"], 2)
        for count in ("many", "0", "-1", "3x", "99999999999999999999"):
            done = sim(*words, env={**os.environ, "OCTO_SCENARIO_SEEDS": count})
            self.assertEqual(done.returncode, 2)
            self.assertIn("OCTO_SCENARIO_SEEDS wants a whole number", done.stderr)

    def test_bad_names(self):
        for word, mention in (("partitin", "did you mean 'partition'?"), ("zzzzzzzzz", "no scenario"),
                              ("", "no scenario"), ("./none.yaml", "No such file"),
                              ("/", "Is a directory"), ("a\nb", "no scenario 'a?b'")):
            with self.subTest(word):
                done = sim("--scenario", word)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertRegex(done.stderr, r"\Aocto-sim: [^\n]+\n\Z")
                self.assertIn(mention, done.stderr)

    def test_one_run_is_for_one_seed(self):
        done = sim("--scenario", "basic-3", "--trace", "-")
        self.assertEqual(done.returncode, 2)
        self.assertIn("give --seed", done.stderr)

    def test_determinism(self):
        run = run_json("--scenario", "bandwidth", "--seed", 3, "--ops", 200, "--check-determinism")
        self.assertTrue(run["deterministic"])


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name) / "mine.yaml"

    def tearDown(self):
        self.folder.cleanup()

    def run_file(self, text, *words):
        self.path.write_text(HEAD + text)
        return run_json("--scenario", self.path, "--seed", 1, "--ops", 300, *words)

    def test_what_is_refused(self):
        for text, mention in REFUSED:
            with self.subTest(text[:60]):
                self.path.write_text(text)
                done = sim("--scenario", self.path, "--seed", 1)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stdout)
                self.assertRegex(done.stderr, r"\Aocto-sim: [^\n]*mine\.yaml[^\n]+\n\Z")
                self.assertIn(mention, done.stderr)

    def test_what_did_not_happen_is_vacuous(self):
        run = self.run_file("mix: none\nrequire:\n  snapshot-installed: 1000\n")
        self.assertEqual((run["verdict"], run["property"]), ("broken", "non-vacuous"))
        self.assertIn("snapshot-installed", run["why"])
        run = self.run_file("mix: none\nrequire:\n  kill: 1\n")
        self.assertIn("kill", run["why"])
        run = self.run_file("mix: none\nfaults:\n  disk-swap: on\n", "--nodes", 3)
        self.assertEqual(run["property"], "non-vacuous")
        self.assertIn("disk-swap", run["why"])

    def test_a_vacuous_run_is_deterministic_and_its_recording_holds(self):
        text = "mix: none\nrequire:\n  snapshot-installed: 1000\n"
        run = self.run_file(text, "--check-determinism")
        self.assertEqual((run["property"], run["deterministic"]), ("non-vacuous", True))
        plan = self.path.parent / "vacuous.plan"
        self.run_file(text, "--record", plan)
        self.assertNotIn("expect", plan.read_text())
        self.assertEqual(run_json("--replay", plan)["verdict"], "ok")

    def test_crash_cycles_that_cannot_end_are_vacuous(self):
        run = self.run_file("crash-cycles: 3\nmix: none\nschedule:\n  to: 2s\n")
        self.assertEqual(run["property"], "non-vacuous")
        self.assertIn("before every node had crashed 3 times", run["why"])

    def test_nobody_is_late_while_it_is_paused(self):
        self.path.write_text(HEAD + "nodes: 3\noperations: 20\nmix: none\nfaults:\n  pause: on\n"
                             "schedule:\n  pause: 60s\n")
        done = sim("--scenario", self.path, "--seeds", "1..100", "-q")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_counts_are_reached_by_force(self):
        run = self.run_file("mix: none\nfaults:\n  pause: on\n  kill: on\nschedule:\n"
                            "  window: 100ms\n  crash-rate: 0%\nrequire:\n  pause: 9\n  kill: 9\n")
        self.assertEqual(run["verdict"], "ok", run["why"])
        self.assertGreaterEqual(run["faults"]["kill"], 9)
        self.assertGreaterEqual(run["faults"]["pause"], 9)

    def test_on_off_and_rates(self):
        run = self.run_file("mix: all\nfaults:\n  kill: off\n  message-lost: 0%\n")
        self.assertEqual((run["faults"]["kill"], run["faults"]["message-lost"]), (0, 0))
        self.assertGreater(run["faults"]["power-loss"], 0)
        few = self.run_file("mix: none\nfaults:\n  message-lost: 1%\n")["faults"]["message-lost"]
        many = self.run_file("mix: none\nfaults:\n  message-lost: 20%\n")["faults"]["message-lost"]
        self.assertGreater(many, 5 * few)

    def test_faults_strike_between_from_and_to_only(self):
        self.path.write_text(HEAD + "mix: none\nfaults:\n  message-lost: 20%\n  kill: on\n"
                             "  disk-write-error: 10%\n  pause: on\n"
                             "schedule:\n  from: 1s\n  to: 2500ms\n  window: 100ms\n"
                             "clients:\n  duration: 4s\n")
        done = sim("--scenario", self.path, "--seed", 1, "--trace", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        times = [float(line.split()[1]) for line in done.stdout.splitlines()
                 if " fault " in line]
        self.assertGreater(len(times), 20)
        self.assertGreaterEqual(min(times), 1e6)
        self.assertLess(max(times), 2.5e6)

    def test_crashes_strike_whom_the_scenario_says(self):
        for target in ("same", "leader", "follower"):
            self.path.write_text(HEAD + "mix: none\nfaults:\n  kill: on\nschedule:\n"
                                 f"  window: 500ms\n  crash-rate: 100%\n  crash-target: {target}\n")
            lines = sim("--scenario", self.path, "--seed", 1, "--trace", "-").stdout.splitlines()
            kills = [line for line in lines if " fault    kill" in line]
            self.assertGreater(len(kills), 3)
            if target == "same":
                self.assertEqual(len({line.split()[2] for line in kills}), 1)
            else:
                leads = [line.split()[3][0] == "L" for line in kills]
                self.assertEqual(set(leads), {target == "leader"}, kills)

    def test_rot_strikes_what_the_scenario_says(self):
        for target, kinds in (("entry", {"main", "recovery"}), ("vote", {"vote"}),
                              ("snapshot", {"snapshot"})):
            self.path.write_text(HEAD + "mix: none\nfaults:\n  disk-rot-double: on\nschedule:\n"
                                 f"  window: 100ms\n  damage-rate: 100%\n  rot-target: {target}\n"
                                 "storage:\n  snapshot-entries: 20\n")
            lines = sim("--scenario", self.path, "--seed", 1, "--trace", "-").stdout.splitlines()
            rots = [line for line in lines if " disk-rot-double " in line]
            self.assertGreater(len(rots), 2, target)
            found = {KINDS[int(line.rsplit("detail=", 1)[1], 16) >> 56] for line in rots}
            self.assertEqual(found, kinds)

    def test_a_trace_says_what_a_partition_cuts(self):
        nodes = {f"n{i}" for i in range(1, 6)}
        for name in ("symmetric", "one-way", "leader", "minority", "bridge", "flapping", "clients"):
            scenario = {"symmetric": "partition"}.get(name, f"partition-{name}")
            lines = sim("--scenario", scenario, "--seed", 3, "--trace", "-").stdout.splitlines()
            cuts = [line.split()[2:3] + [line.rsplit(" cut=", 1)[1]] for line in lines
                    if f" fault    partition-{name} " in line]
            self.assertGreater(len(cuts), 2, name)
            for who, cut in cuts:
                one, other = (set(side.split("+")) for side in re.split("[|>]", cut.split(",")[0]))
                self.assertFalse(one & other, cut)
                self.assertLessEqual(one | other, nodes | {"clients"}, cut)
                if name in ("symmetric", "minority", "flapping"):
                    self.assertEqual(one | other, nodes, cut)
                    self.assertIn("|", cut)
                elif name == "leader":
                    self.assertIn({who}, (one, other), cut)
                elif name == "one-way":
                    self.assertIn(">", cut)
                elif name == "clients":
                    self.assertIn({"clients"}, (one, other), cut)

    def test_liveness_is_judged_unless_the_scenario_says_not(self):
        hopeless = ("mix: none\nnetwork:\n  latency: 1s\nclients:\n  duration: 1s\n  give-up: 1s\n"
                    "oracles:\n  linearizable: off\n")
        judged = self.run_file(hopeless)
        self.assertEqual((judged["verdict"], judged["property"]), ("broken", "liveness"))
        ignored = self.run_file(hopeless + "  liveness: off\n")
        self.assertEqual((ignored["verdict"], ignored["acked"]), ("ok", 0))
        self.assertEqual(ignored["hash"], judged["hash"])

    def test_bandwidth_slows_a_link_down(self):
        wide = self.run_file("mix: none\nnetwork:\n  latency: 1ms\n")
        narrow = self.run_file("mix: none\nnetwork:\n  latency: 1ms\n  bandwidth: 20KiB\n")
        self.assertEqual(wide["faults"]["message-delayed"], 0)
        self.assertGreater(narrow["faults"]["message-delayed"], 100)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    PROGRAM = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main()
