#!/usr/bin/env python3
"""Tests octo-farm from outside: usage, resuming, shards, and runs that crash, hang or grow.

usage: test_octo_farm.py PATH-TO-octo-farm PATH-TO-octo-farm-trapped [unittest arguments]
"""
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = TRAPPED = ""
FLAGS = ["scenario", "seeds", "for", "shard", "jobs", "budget", "memory", "db", "ndjson", "junit",
         "html", "list-scenarios", "quiet", "help", "version"]
BAD_USAGE = [
    (["--frobnicate"], "--frobnicate"),
    (["x"], "unexpected argument 'x'"),
    (["--seed", "1"], "--seed"),
    (["--seeds"], "wants a value"),
    (["--seeds", "5..1"], "A <= B"),
    (["--seeds", "1..9223372036854775808"], "9223372036854775807"),
    (["--seeds", "1..2", "--for", "1s"], "exclude"),
    (["--for", "10"], "90s, 10m or 2h"),
    (["--for", "0s"], "90s, 10m or 2h"),
    (["--shard", "0/4"], "I/N"),
    (["--shard", "5/4"], "I/N"),
    (["--jobs", "0"], "from 1 to 1024"),
    (["--budget", "0"], "from 1 to"),
    (["--memory", "1"], "from 64 to"),
    (["--db", ""], "name of a file"),
    (["--scenario", "no-such"], "--list-scenarios"),
    (["--ndjson", ""], "name of a file"),
    (["--junit", "x", "--html", "x"], "two outputs"),
    (["--html", "/nonexistent/x.html"], "cannot write /nonexistent/x.html"),
    (["merge", "--html", "x", "out.db", "in.db"], "with report"),
    (["report", "x.db", "--html", "x"], "flags stand before"),
    (["report"], "one database"),
    (["report", "/nonexistent/x.db"], "/nonexistent/x.db"),
    (["merge", "out.db"], "those to join"),
]
FEW = ["--scenario", "basic-3", "--scenario", "partition-leader"]  # quick ones
SAME = "scenario, seed, verdict, property, signature, why, hash, events, faults, marks, excuses"


def run(*words, program=None, **environment):
    return subprocess.run([program or PROGRAM, *map(str, words)], text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, env={**os.environ, **environment})


def table(path):
    with sqlite3.connect(path) as db:
        return db.execute(f"SELECT {SAME} FROM run ORDER BY scenario, seed").fetchall()


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
        texts = [run("--help").stdout, (ROOT / "docs/octo-farm.1.scd").read_text()]
        texts += [(ROOT / "completions" / name).read_text()
                  for name in ["octo-farm.bash", "octo-farm.fish", "_octo-farm"]]
        for text in texts:
            for word in FLAGS + ["report", "merge"]:
                self.assertIn(word, text)


class Farm(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def whole(self, seeds):
        done = run(*FEW, "--seeds", seeds, "--jobs", 2, "--db", self.path / "whole.db")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return table(self.path / "whole.db")

    def test_shards_merged_and_one_job_give_the_same_table(self):
        whole = self.whole("1..13")
        shards = [self.path / f"{i}.db" for i in (1, 2, 3, 4)]
        for i, path in enumerate(shards, 1):
            run(*FEW, "--seeds", "1..13", "--jobs", 1, "--shard", f"{i}/4", "--db", path)
        done = run("merge", self.path / "merged.db", *shards)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(table(self.path / "merged.db"), whole)
        again = run("merge", self.path / "merged.db", *shards)
        self.assertEqual(again.returncode, 2)
        self.assertIn("exists", again.stderr)

    def test_killed_and_resumed_gives_the_same_table(self):
        whole = self.whole("1..40")
        path = self.path / "killed.db"
        words = [*FEW, "--seeds", "1..40", "--jobs", "2", "--db", str(path)]
        farm = subprocess.Popen([PROGRAM, *words], stdout=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while time.monotonic() < until and farm.poll() is None:
            if path.exists():
                try:
                    if table(path):
                        break
                except sqlite3.Error:  # not made yet
                    pass
            time.sleep(0.02)
        farm.send_signal(signal.SIGKILL)
        farm.wait()
        self.assertEqual(run(*words).returncode, 0)
        self.assertEqual(table(path), whole)

    def test_a_database_of_other_flags_is_refused_and_unchanged(self):
        whole = self.whole("1..2")
        done = run(*FEW, "--seeds", "1..3", "--db", self.path / "whole.db")
        self.assertEqual(done.returncode, 2)
        self.assertIn("another farm: its seeds is '1..2', expected '1..3'", done.stderr)
        self.assertEqual(table(self.path / "whole.db"), whole)

    def test_a_scenario_that_was_edited_is_of_another_farm(self):
        file = self.path / "mine.yaml"
        other = self.path / "other.yaml"
        text = "name: mine\nsummary: A test\nnodes: 3\noperations: 30\nmix: none\n"
        file.write_text(text)
        words = ["--scenario", file, "--seeds", "1..4"]
        shard = self.path / "shard.db"
        db = self.path / "mine.db"
        self.assertEqual(run(*words, "--db", db).returncode, 0)
        self.assertEqual(run(*words, "--db", shard, "--shard", "1/2").returncode, 0)
        file.write_text(text + "# a comment says nothing\n")
        self.assertEqual(run(*words, "--db", db).returncode, 0)
        file.write_text(text + "require:\n  kill: 999\n")
        done = run(*words, "--db", db)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("is of another farm: its scenario mine is", done.stderr)
        self.assertEqual(run(*words, "--db", self.path / "2.db", "--shard", "2/2").returncode, 1)
        done = run("merge", self.path / "merged.db", shard, self.path / "2.db")
        self.assertEqual(done.returncode, 2)
        self.assertIn("of other flags", done.stderr)
        other.write_text(text)
        done = run(*words, "--scenario", other)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("two scenarios are called 'mine'", done.stderr)

    def test_a_merge_does_not_depend_on_the_order(self):
        words = ["--scenario", "swarm", "--seeds", "1..12", "--jobs", 2, "--budget", 10]
        good, bad = self.path / "good.db", self.path / "bad.db"
        run(*words, "--db", good, program=TRAPPED)
        run(*words, "--db", bad, program=TRAPPED, FARM_TRAP="crash")
        self.assertNotEqual(table(good), table(bad))
        for out, order in (("gb.db", (good, bad)), ("bg.db", (bad, good))):
            self.assertEqual(run("merge", self.path / out, *order).returncode, 0)
            self.assertEqual(table(self.path / out), table(good))

    def test_a_database_is_a_file_and_has_to_stay(self):
        done = subprocess.run([PROGRAM, *FEW, "--seeds", "1..1", "--db", ":memory:"], cwd=self.path,
                              stdout=subprocess.DEVNULL)
        self.assertEqual((done.returncode, len(table(self.path / ":memory:"))), (0, 2))
        path = self.path / "gone.db"
        farm = subprocess.Popen([PROGRAM, *FEW, "--for", "30s", "--db", str(path)],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 60
        while time.monotonic() < until and not path.exists():
            time.sleep(0.02)
        time.sleep(0.5)
        for file in self.path.glob("gone.db*"):
            file.unlink()
        self.assertIn("was removed or replaced", farm.communicate(timeout=20)[1])
        self.assertEqual(farm.returncode, 3)

    def test_a_stopped_farm_hangs_no_run(self):
        path = self.path / "stopped.db"
        farm = subprocess.Popen([PROGRAM, "--scenario", "stress", "--seeds", "1..16", "--budget", "3",
                                 "--jobs", "2", "--db", str(path)], stdout=subprocess.DEVNULL,
                                start_new_session=True)
        time.sleep(0.3)
        self.assertIsNone(farm.poll())
        os.killpg(farm.pid, signal.SIGSTOP)
        time.sleep(5)
        os.killpg(farm.pid, signal.SIGCONT)
        self.assertEqual(farm.wait(), 0)
        self.assertEqual({row[2] for row in table(path)}, {"ok"})

    def test_what_kills_a_run_is_its_result(self):
        calm = None
        for trap, verdict, mention in [("crash", "crash", "SIGABRT"), ("exit", "crash", "left"),
                                       ("hang", "hang", "budget"), ("memory", "memory", "limit")]:
            with self.subTest(trap):
                path = self.path / f"{trap}.db"
                done = run("--scenario", "swarm", "--seeds", "1..12", "--jobs", 2, "--budget", 10,
                           "--memory", 256, "--db", path, program=TRAPPED, FARM_TRAP=trap)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                rows = table(path)
                fell = [row for row in rows if row[2] == verdict]
                self.assertEqual(len(rows), 12)
                self.assertTrue(0 < len(fell) < 12, rows)
                self.assertTrue(all(mention in row[4] for row in fell))
                self.assertIn(f"--seed {fell[0][1]} ", done.stdout)
                kept = [row[:4] for row in rows if row[2] == "ok"]
                calm = calm or kept
                self.assertEqual(kept, calm)


if __name__ == "__main__":
    PROGRAM, TRAPPED = (str(pathlib.Path(word).resolve()) for word in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
