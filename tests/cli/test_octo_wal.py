#!/usr/bin/env python3
"""Tests octo-wal on directories that the kernel's own log has made and that are then damaged.

usage: test_octo_wal.py octo-wal octo-wal-directory fuzz-segment-replay [unittest arguments]

OCTO_WAL_CASES=N and OCTO_WAL_SEED=S: so many cases of Agreement, from that one on.
"""
import fcntl
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = ""
MAKER = ""
FUZZER = ""
SMALL = "segment 4096 format"
RICH = SMALL + " append 5 100 append 2 0 vote 3 2 rewrite 6 append 3 200"
COLUMNS = ["topic", "segment", "offset", "type", "sequence", "index", "term", "chain", "kind",
           "client", "client-seq", "size", "state"]

BAD_USAGE = [
    ([], "--help"),
    (["frob", "DIR"], "'frob'"),
    (["verify"], "directory"),
    (["verify", ""], "directory"),
    (["verify", "DIR", "x"], "'x'"),
    (["verify", "DIR", "--frobnicate"], "--frobnicate"),
    (["verify", "DIR", "-x"], "-x"),
    (["verify", "DIR", "--js"], "--js"),
    (["verify", "DIR", "--json=1"], "--json=1 takes no value"),
    (["verify", "DIR", "--node"], "--node wants a value"),
    (["verify", "DIR", "--node", "16"], "1 to 15"),
    (["verify", "DIR", "--node", "0"], "1 to 15"),
    (["verify", "DIR", "--cluster", "0"], "1 to"),
    (["verify", "DIR", "--cluster", "18446744073709551616"], "18446744073709551615"),
    (["verify", "DIR", "--from", "1"], "dump only"),
    (["explain", "DIR", "--topic", "main"], "dump only"),
    (["dump", "DIR", "--topic", "both"], "main or recovery"),
    (["dump", "DIR", "--segment", "0"], "1 to"),
    (["dump", "DIR", "--limit", "-1"], "1 to"),
    (["dump", "DIR", "--from", "x"], "0 to"),
]


def run(*words, **options):
    return subprocess.run([PROGRAM, *map(str, words)], text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, **options)


def make(words):
    done = subprocess.run([MAKER, *words.split()], text=True, capture_output=True)
    assert done.returncode == 0, words + "\n" + done.stderr
    return done.stdout


def objects(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


class Directory(unittest.TestCase):
    """Each test has a directory of its own."""

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.temporary.name) / "node"

    def tearDown(self):
        self.temporary.cleanup()

    def made(self, words=RICH):
        make(f"{words} save {self.path}")

    def damage(self, name, offset, size=1, value=None):
        """Inverts bytes, or sets them."""
        path = self.path / name
        content = bytearray(path.read_bytes())
        for at in range(offset, offset + size):
            content[at] = content[at] ^ 0xff if value is None else value
        path.write_bytes(bytes(content))

    def look(self, status, command="verify", *words):
        """Runs it both ways; returns text, findings and summary."""
        before = {p.name: p.read_bytes() for p in self.path.iterdir() if p.is_file()}
        text = run(command, self.path, *words)
        self.assertEqual(text.returncode, status, text.stdout + text.stderr)
        machine = run(command, self.path, "--json", *words)
        self.assertEqual(machine.returncode, status)
        told = objects(machine)
        after = {p.name: p.read_bytes() for p in self.path.iterdir() if p.is_file()}
        self.assertEqual(before, after, "it has changed something")
        self.assertTrue(told[-1]["summary"])
        self.assertEqual(told[-1]["status"], status)
        return text.stdout, [o for o in told if "finding" in o], told[-1]

    def bad(self, findings):
        return [o for o in findings if o["finding"] != "note"]

    def kernel(self, summary, more=""):
        """What the kernel makes of it, going on from the snapshot that octo-wal names."""
        said = make(f"segment 4096 load {self.path} at {summary['snapshot']} "
                    f"{summary['snapshot_term']} {summary['snapshot_chain']} boot {more} print")
        return json.loads(said)

    def agree(self, summary):
        kernel = self.kernel(summary)
        self.assertEqual(summary["starts"], kernel["ready"], kernel)
        if kernel["ready"]:
            for key in ("base", "last", "last_term", "chain", "recovering", "floor_unknown"):
                self.assertEqual(summary[key], kernel[key], key)
            if not kernel["floor_unknown"]:
                self.assertEqual(summary["floor_index"], kernel["floor_index"])
                self.assertEqual(summary["floor_term"], kernel["floor_term"])
            self.assertEqual(summary["vote"], kernel["vote"])
            self.assertEqual(summary["term"], kernel["term"])
        return kernel


class Usage(Directory):
    def test_bad_usage_is_one_clear_line_and_status_2(self):
        self.made(SMALL)
        for words, mention in BAD_USAGE:
            with self.subTest(words=words):
                done = run(*[self.path if w == "DIR" else w for w in words])
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertEqual(done.stdout, "")
                self.assertRegex(done.stderr, r"\Aocto-wal: [^\n]+\n\Z")
                self.assertIn(mention, done.stderr)

    def test_what_is_no_directory_of_a_node(self):
        self.path.mkdir()
        for command in ("dump", "verify", "explain"):
            for path, mention in ((self.path / "none", "No such file"), (MAKER, "Not a directory"),
                                  (self.path, "empty")):
                done = run(command, path)
                self.assertEqual(done.returncode, 2)
                self.assertRegex(done.stderr, r"\Aocto-wal: [^\n]+\n\Z")
                self.assertIn(mention, done.stderr)
        (self.path / "main-1").write_text("x")
        self.assertIn("not a node's directory", run("verify", self.path).stderr)
        (self.path / "main-0000000001").write_bytes(bytes(4096))
        done = run("verify", self.path)
        self.assertEqual(done.returncode, 2)
        self.assertIn("never formatted", done.stderr)

    def test_help_and_version(self):
        done = run("--help")
        self.assertEqual(done.returncode, 0)
        for line in done.stdout.splitlines():
            self.assertLessEqual(len(line), 96)
        self.assertRegex(run("--version").stdout, r"^octo-wal \d+\.\d+\.\d+\n$")

    def test_help_manual_and_completions_know_the_same_flags(self):
        flags = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", run("--help").stdout, re.M))
        self.assertGreater(len(flags), 8)
        manual = (ROOT / "docs/octo-wal.1.scd").read_text()
        self.assertEqual(set(re.findall(r"^(?:\*-\w\*, )?\*(--[a-z-]+)\*", manual, re.M)), flags)
        for name in ("octo-wal.bash", "_octo-wal", "octo-wal.fish"):
            text = (ROOT / "completions" / name).read_text()
            for flag in flags:
                self.assertIn(flag if name != "octo-wal.fish" else f"-l {flag[2:]}", text)

    def test_output_that_cannot_be_written(self):
        self.made(SMALL)
        with open("/dev/full", "w") as full:
            done = subprocess.run([PROGRAM, "verify", self.path], stdout=full,
                                  stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 3)
        self.assertIn("standard output", done.stderr)

    def test_no_colour_but_on_a_terminal(self):
        self.made()
        self.damage("main-0000000001", 600)
        self.assertNotIn("\033", run("verify", self.path).stdout)


class Dump(Directory):
    def test_every_type_in_fixed_columns(self):
        self.made(RICH + " install 1 30 boot append 2 10")
        lines = run("dump", self.path).stdout.splitlines()
        self.assertEqual(lines[0].split(), COLUMNS)
        self.assertEqual({line.split()[3] for line in lines[1:]},
                         {"entry", "marker", "base", "cut"})
        self.assertEqual({line.split()[8] for line in lines[1:]}, {"-", "no-op", "command"})
        places = [line.index(line.split()[7]) for line in lines[1:]]
        self.assertEqual(len(set(places)), 1, "columns are not fixed")
        records = objects(run("dump", self.path, "--json"))
        self.assertEqual(len(records), len(lines) - 1)
        for record, line in zip(records, lines[1:]):
            self.assertEqual([str(v) for v in list(record.values())[:8]], line.split()[:8])
            self.assertEqual(record["counts"], "passed over" not in line)

    def test_selection(self):
        self.made()
        everything = objects(run("dump", self.path, "--json"))
        some = objects(run("dump", "--json", self.path, "--from", 5, "--limit", 4))
        self.assertEqual(some, [o for o in everything if o["sequence"] >= 5][:4])
        self.assertEqual(objects(run("dump", self.path, "--segment=2", "--json")),
                         [o for o in everything if o["segment"] == 2])
        self.damage("main-0000000001", 520)
        main = objects(run("dump", self.path, "--json", "--topic", "main"))
        twin = objects(run("dump", self.path, "--json", "--topic", "recovery"))
        self.assertEqual(len(main), len(everything) - 1)
        self.assertEqual([o["topic"] for o in twin if o["offset"] == 512 and o["segment"] == 1],
                         ["recovery"])
        self.assertEqual([o["state"] for o in twin if o["topic"] == "recovery"], ["twin lacks it"])

    def test_what_is_passed_over_says_why(self):
        self.made()
        for topic in ("main", "recovery"):
            self.damage(f"{topic}-0000000001", 1540, 20)
        states = [o["state"] for o in objects(run("dump", self.path, "--json"))]
        self.assertTrue(any("the log ends at 1" in state for state in states), states)


class Verify(Directory):
    def test_sound(self):
        self.made()
        text, findings, summary = self.look(0)
        self.assertEqual(self.bad(findings), [])
        self.assertEqual(summary["last"], 9)
        self.assertIn("sound: ", text)
        self.assertEqual(run("verify", self.path, "-q").stdout, "")
        self.agree(summary)

    def test_rot_in_one_topic(self):
        self.made()
        for topic in ("main", "recovery"):
            shutil.rmtree(self.path)
            self.made()
            self.damage(f"{topic}-0000000002", 600)
            text, findings, summary = self.look(1)
            bad = self.bad(findings)
            self.assertEqual([(o["file"], o["offset"], o["twin"]) for o in bad],
                             [(f"{topic}-0000000002", 512, "yes")])
            self.assertIn("copies them back", bad[0]["remedy"])
            self.assertFalse(summary["recovering"])
            self.agree(summary)
            self.kernel(summary, f"save {self.path}")
            self.look(0)

    def test_rot_in_both_topics(self):
        self.made()
        for topic in ("main", "recovery"):
            self.damage(f"{topic}-0000000002", 600)
        text, findings, summary = self.look(1)
        self.assertTrue(summary["recovering"])
        self.assertEqual(summary["last"], 4)
        self.assertEqual((summary["floor_index"], summary["floor_term"]), (9, 4))
        self.assertIn("fetches from its peers from index 5 on", text)
        self.assertIn("main-0000000002", [o["file"] for o in self.bad(findings)])
        self.agree(summary)
        self.kernel(summary, f"save {self.path}")
        self.agree(self.look(1)[2])  # recovering until it has fetched

    def test_torn_tail(self):
        self.made(RICH + " tail 2 50")
        self.look(0)
        self.damage("main-0000000003", 3600, 200)
        text, findings, summary = self.look(0)
        self.assertIn("being written", text)
        self.assertEqual(summary["last"], 10)
        self.agree(summary)
        self.damage("recovery-0000000003", 3600, 200)
        text, findings, summary = self.look(0)
        self.assertEqual(summary["last"], 9)
        self.agree(summary)

    def test_missing_files(self):
        self.made()
        for name, status, starts in (("identity", 1, False), ("vote", 1, False),
                                     ("main-0000000001", 1, True),
                                     ("recovery-0000000003", 1, True),
                                     ("main-0000000006", 0, True)):
            with self.subTest(name=name):
                content = (self.path / name).read_bytes()
                (self.path / name).unlink()
                text, findings, summary = self.look(status)
                self.assertEqual(summary["starts"], starts)
                self.assertIn(name, text)
                self.agree(summary)
                (self.path / name).write_bytes(content)

    def test_a_segment_gone_in_both(self):
        self.made()
        for topic in ("main", "recovery"):
            (self.path / f"{topic}-0000000001").unlink()
        summary = self.look(1)[2]
        self.assertTrue(summary["recovering"])
        self.assertEqual(summary["last"], 0)
        self.agree(summary)

    def test_no_log_at_all(self):
        self.made()
        for path in list(self.path.glob("main-*")) + list(self.path.glob("recovery-*")):
            path.unlink()
        summary = self.look(1)[2]
        self.assertTrue(summary["floor_unknown"])
        self.agree(summary)

    def test_cut_off_and_empty_files(self):
        for size in (0, 1, 100, 512, 1000, 1600, 4000):
            for name in ("identity", "vote", "main-0000000001", "main-0000000003"):
                with self.subTest(name=name, size=size):
                    shutil.rmtree(self.path, ignore_errors=True)
                    self.made()
                    path = self.path / name
                    whole = path.read_bytes()
                    path.write_bytes(whole[:size])
                    hurt = any(whole[size:])
                    summary = self.look(1 if hurt else 0)[2]
                    self.agree(summary)

    def test_another_cluster_or_node(self):
        self.made("cluster 8 node 3 " + RICH)
        self.look(0)
        text, findings, summary = self.look(1, "verify", "--cluster", "7", "--node", "2")
        self.assertFalse(summary["starts"])
        self.assertIn("node 3 of cluster 8", text)
        self.assertFalse(self.kernel(summary)["ready"])
        # One segment of another node's among ours counts for nothing.
        other = {name: (self.path / name).read_bytes()
                 for name in ("main-0000000002", "recovery-0000000002")}
        shutil.rmtree(self.path)
        self.made()
        for name, content in other.items():
            (self.path / name).write_bytes(content)
        summary = self.look(1)[2]
        self.assertTrue(summary["recovering"])
        self.agree(summary)

    def test_identity_damaged(self):
        self.made()
        self.damage("identity", 9)
        text, findings, summary = self.look(1)
        self.assertFalse(summary["starts"])
        self.assertEqual((summary["cluster"], summary["node"]), (7, 2))
        self.assertIn("found out", text)
        self.assertEqual(summary["last"], 9)
        self.damage("identity", 16, 16)
        text = run("verify", self.path).stdout
        self.assertIn("--cluster ID", text)
        self.assertEqual(run("dump", self.path).returncode, 2)
        summary = self.look(1, "verify", "--cluster", "7", "--node", "2")[2]
        self.assertEqual(summary["last"], 9)
        summary = self.look(1, "verify", "--cluster", "7")[2]
        self.assertEqual(summary["node"], 2)
        self.assertFalse(self.kernel(summary)["ready"])

    def test_identity_of_another_version(self):
        self.made()
        self.damage("identity", 4, 1, 9)
        for command in ("dump", "verify", "explain"):
            done = run(command, self.path)
            self.assertEqual(done.returncode, 2)
            self.assertIn("version 9", done.stderr)

    def test_vote_copies(self):
        self.made()
        for slots, starts in (((0,), True), ((1,), True), ((2,), True), ((3,), True),
                              ((0, 2), True), ((1, 2), True), ((0, 1), False), ((2, 3), False)):
            with self.subTest(slots=slots):
                shutil.rmtree(self.path)
                self.made()
                for slot in slots:
                    self.damage("vote", slot * 512 + 20)
                text, findings, summary = self.look(1)
                self.assertEqual(summary["starts"], starts)
                self.assertEqual(len(self.bad(findings)), len(slots))
                kernel = self.kernel(summary)
                self.assertEqual(kernel["ready"], starts)
                if starts:
                    self.agree(summary)

    def test_record_of_another_version(self):
        self.made()
        for topic in ("main", "recovery"):
            self.damage(f"{topic}-0000000002", 516, 1, 3)
        self.assertIn("version", self.look(1)[0])

    def test_a_running_node_is_told_of(self):
        self.made()
        with open(self.path / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.write("4711\n")
            lock.flush()
            done = run("verify", self.path)
            self.assertEqual(done.returncode, 0)
            self.assertIn("a node is running", done.stderr)
            self.assertIn("4711", done.stdout)
        self.assertEqual(run("verify", self.path).stderr, "")

    def test_strangers(self):
        self.made()
        (self.path / "main-7").write_text("x")
        os.symlink("/etc/passwd", self.path / "main-0000000009")
        (self.path / "recovery-0000000009").mkdir()
        text = self.look(0)[0]
        for name in ("main-7", "main-0000000009", "recovery-0000000009"):
            self.assertIn(f"'{name}'", text)


class Snapshots(Directory):
    NEW = "snapshot-0000000002"

    def taken(self):
        self.made(RICH + " snapshot 1 5 append 12 300 snapshot 2 18 append 2 10")

    def test_the_newest_counts(self):
        self.taken()
        text, findings, summary = self.look(0)
        self.assertEqual((summary["snapshot"], summary["base"], summary["last"]), (18, 18, 23))
        self.assertIn("the one that counts", text)
        self.agree(summary)

    def test_damage_anywhere_is_found(self):
        self.taken()
        whole = (self.path / self.NEW).read_bytes()
        for offset in (0, 4, 6, 9, 30, 50, 60, 64, 70, 80, 90, 100, len(whole) // 2,
                       len(whole) - 20, len(whole) - 1):
            with self.subTest(offset=offset):
                self.damage(self.NEW, offset)
                text, findings, summary = self.look(1)
                self.assertIn(self.NEW, [o["file"] for o in self.bad(findings)])
                self.assertEqual(summary["snapshot"], 5)
                (self.path / self.NEW).write_bytes(whole)

    def test_cut_off(self):
        self.taken()
        whole = (self.path / self.NEW).read_bytes()
        for size in (0, 1, 63, 64, 70, 96, 5000, len(whole) - 1):
            (self.path / self.NEW).write_bytes(whole[:size])
            self.assertEqual(self.look(1)[2]["snapshot"], 5)
        (self.path / self.NEW).write_bytes(whole + b"anything")
        self.look(0)

    def test_all_damaged(self):
        self.taken()
        for name in ("snapshot-0000000001", self.NEW):
            self.damage(name, 100)
        text, findings, summary = self.look(1)
        self.assertTrue(summary["recovering"])
        self.assertEqual(summary["base"], 0)
        self.agree(summary)

    def test_another_clusters(self):
        self.taken()
        own = (self.path / self.NEW).read_bytes()
        shutil.rmtree(self.path)
        self.made("cluster 9 " + RICH)
        (self.path / self.NEW).write_bytes(own)
        self.assertIn("another cluster", self.look(1)[0])

    def test_installed_and_lost(self):
        self.made(RICH + " install 1 40 append 3 20")
        summary = self.look(0)[2]
        self.assertEqual((summary["base"], summary["last"]), (40, 43))
        self.agree(summary)
        (self.path / "snapshot-0000000001").unlink()
        text, findings, summary = self.look(1)
        self.assertTrue(summary["unfounded"])
        self.assertEqual((summary["last"], summary["floor_index"]), (0, 43))
        self.agree(summary)

    def test_identity_lost_and_found_through_a_snapshot(self):
        self.taken()
        (self.path / "identity").unlink()
        summary = self.look(1)[2]
        self.assertEqual((summary["cluster"], summary["node"]), (7, 2))

    def test_the_spare_means_nothing(self):
        self.made()
        (self.path / "snapshot-0000000000").write_bytes(b"anything")
        self.assertEqual(self.look(0)[1], [])


class Explain(Directory):
    def test_the_story(self):
        self.made(RICH + " snapshot 1 5 append 2 10 tail 1 10")
        text = self.look(0, "explain")[0]
        for words in ("node 2 of cluster 7", "voted for node 2", "index 5", "marker that counts",
                      "writes them again", "None was found", "The next start"):
            self.assertIn(words, text)

    def test_loss_and_hints(self):
        self.made()
        for topic in ("main", "recovery"):
            self.damage(f"{topic}-0000000002", 600)
        text = self.look(1, "explain")[0]
        for words in ("recovering", "index 5", "Before starting it"):
            self.assertIn(words, text)
        self.assertNotIn("hint", run("explain", self.path, "-q").stdout)

    def test_a_node_that_cannot_start(self):
        self.made()
        self.damage("vote", 20)
        self.damage("vote", 532)
        text = self.look(1, "explain")[0]
        self.assertIn("does not start", text)
        self.assertIn("Never format", text)


class Agreement(Directory):
    """octo-wal and the kernel on directories of random lives with random damage."""

    def life(self, dice):
        words = [SMALL]
        last, file, index = 0, 1, 0
        for _ in range(dice.randrange(1, 9)):
            what = dice.randrange(7)
            if what < 3:
                count = dice.randrange(1, 9)
                words.append(f"append {count} {dice.choice([0, 1, 60, 300, 900, 3000])}")
                last += count
            elif what == 3 and last > index + 1:
                last = dice.randrange(index + 1, last + 1)
                words.append(f"rewrite {last}")
            elif what == 4 and last > index:
                index = dice.randrange(index + 1, last + 1)
                words.append(f"snapshot {file} {index}")
                file += 1
            elif what == 5:
                words.append(f"tail {dice.randrange(1, 4)} {dice.choice([0, 60, 900])} boot")
                return words, file
            elif what == 6 and dice.randrange(3) == 0:
                last = index = last + dice.randrange(1, 9)
                words.append(f"install {file} {index}")
                file += 1
        if dice.randrange(2) == 0:
            words.append(f"tail {dice.randrange(1, 4)} {dice.choice([0, 60, 900])}")
        return words, file

    def hurt(self, dice):
        names = sorted(p.name for p in self.path.iterdir() if p.name != "identity")
        for _ in range(dice.randrange(5)):
            name = dice.choice(names)
            path = self.path / name
            if not path.exists():
                continue
            content = bytearray(path.read_bytes())
            what = dice.randrange(12)
            if what == 0:
                path.unlink()
            elif what == 1:
                path.write_bytes(bytes(content[:dice.randrange(len(content) + 1)]))
            elif content:
                sector = dice.randrange((len(content) + 511) // 512) * 512
                end = min(len(content), sector + 512 * dice.randrange(1, 4))
                fill = dice.choice([bytes(end - sector), dice.randbytes(end - sector)])
                twins = [name]
                if dice.randrange(3) == 0 and name.split("-")[0] in ("main", "recovery"):
                    twins = [f"{topic}-{name.split('-')[1]}" for topic in ("main", "recovery")]
                for twin in twins:
                    if (self.path / twin).exists():
                        content = bytearray((self.path / twin).read_bytes())
                        content[sector:end] = fill[:max(0, min(end, len(content)) - sector)]
                        (self.path / twin).write_bytes(bytes(content))

    def test_random_lives_and_damage(self):
        first = int(os.environ.get("OCTO_WAL_SEED", 1))
        for seed in range(first, first + int(os.environ.get("OCTO_WAL_CASES", 25))):
            with self.subTest(OCTO_WAL_SEED=seed):
                dice = random.Random(seed)
                shutil.rmtree(self.path, ignore_errors=True)
                words, _ = self.life(dice)
                self.made(" ".join(words))
                self.hurt(dice)
                done = run("verify", self.path, "--json")
                self.assertIn(done.returncode, (0, 1), done.stderr)
                summary = objects(done)[-1]
                kernel = self.agree(summary)
                if summary["starts"] and not summary["recovering"]:
                    said = self.kernel(summary, f"save {self.path}")
                    self.assertEqual(said["last"], kernel["last"])

    def program(self, dice):
        """An input of fuzz_segment.c: records with right checksums that no life would make."""
        code = bytes([2, dice.choice([0, 0, 8]), 0, 0])
        for _ in range(dice.randrange(1, 30)):
            what = dice.choice([0, 0, 0, 0, 1, 1, 2, 3]) | dice.choice([0, 0, 0, 0, 1, 2, 3]) << 2
            what |= dice.choice([0, 0, 0, 0, 1, 1, 2, 3]) << 4 | (dice.randrange(14) == 0) << 6
            code += bytes([what, dice.randrange(256), dice.choice([*range(7), dice.randrange(64)]),
                           dice.randrange(8), dice.choice([0, dice.randrange(256)]),
                           dice.choice([0, 0, 0, dice.randrange(256)]), 1, 2])
        return code

    def test_records_in_any_order(self):
        first = int(os.environ.get("OCTO_WAL_SEED", 1))
        self.path.mkdir()
        for seed in range(first, first + int(os.environ.get("OCTO_WAL_CASES", 25))):
            with self.subTest(OCTO_WAL_SEED=seed):
                shutil.rmtree(self.path)
                source = pathlib.Path(self.temporary.name) / "input"
                source.write_bytes(self.program(random.Random(seed)))
                subprocess.run([FUZZER, "--directory", self.path, source], check=True,
                               stdout=subprocess.DEVNULL)
                done = run("verify", self.path, "--json")
                self.assertIn(done.returncode, (0, 1), done.stderr)
                self.agree(objects(done)[-1])


if __name__ == "__main__":
    if len(sys.argv) < 4:
        print(__doc__)
        sys.exit(2)
    PROGRAM, MAKER, FUZZER = sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1)
    unittest.main()
