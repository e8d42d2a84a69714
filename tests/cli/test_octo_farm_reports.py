#!/usr/bin/env python3
"""Tests the reports of octo-farm: text, NDJSON, JUnit XML and HTML, of whole farms and of parts.

usage: test_octo_farm_reports.py PATH-TO-octo-farm PATH-TO-octo-farm-trapped PATH-TO-octo-sim
       [unittest arguments]
"""
import html.parser
import json
import os
import pathlib
import shlex
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

PROGRAM = TRAPPED = SIM = ""
FEW = ["--scenario", "basic-3", "--scenario", "partition-leader"]  # quick ones
NASTY = "<&\"'>]]> --> {\\} \t\n\r\x01\x1f\x7f é 日 \U0001f419 \ufffe \uffff"
BROKEN_TEXT = "CAST(x'61ff62c080eda08063' AS TEXT)"  # 'a?b??c???d', and no part of it UTF-8
VOID = {"meta", "br", "link", "img", "input", "hr"}


def run(*words, program=None, **environment):
    return subprocess.run([program or PROGRAM, *map(str, words)], text=True, errors="replace",
                          capture_output=True,
                          stdin=subprocess.DEVNULL, env={**os.environ, **environment})


class Page(html.parser.HTMLParser):
    """Tags in balance, ids once, references to them good, nothing from elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.references, self.offences = [], set(), set(), []
        self.pictures, self.text = [], ""
        self.feed(text)
        self.close()
        if self.open:
            self.offences.append(f"not closed: {self.open}")
        self.offences += [f"no such id: {name}" for name in self.references - self.ids]

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        self.look(tag, dict(attributes))

    def handle_startendtag(self, tag, attributes):
        self.look(tag, dict(attributes))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.offences.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        self.text += data

    def look(self, tag, attributes):
        if tag in ("script", "link", "img", "iframe", "object", "embed", "base"):
            self.offences.append(tag)
        if "id" in attributes:
            if attributes["id"] in self.ids:
                self.offences.append(f"twice: {attributes['id']}")
            self.ids.add(attributes["id"])
        self.references |= set(attributes.get("aria-labelledby", "").split())
        if "src" in attributes or not attributes.get("href", "#").startswith("#"):
            self.offences.append(f"{tag} {attributes}")
        if "href" in attributes:
            self.references.add(attributes["href"][1:])
        self.offences += [name for name in attributes if name.startswith("on")]
        if tag == "svg":
            self.pictures.append(attributes)
            if "aria-labelledby" not in attributes and "aria-hidden" not in attributes:
                self.offences.append("a picture without a name")


class Reports(unittest.TestCase):
    """One small farm is made once; each test works on a copy of its database."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.made = pathlib.Path(cls.folder.name)
        cls.done = run(*FEW, "--seeds", "1..6", "--db", cls.made / "a.db", "--ndjson",
                       cls.made / "a.ndjson", "--junit", cls.made / "a.xml", "--html",
                       cls.made / "a.html")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        self.own = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.own.name)
        self.db = self.path / "a.db"
        with sqlite3.connect(self.made / "a.db") as source, sqlite3.connect(self.db) as target:
            source.backup(target)

    def tearDown(self):
        self.own.cleanup()

    def change(self, statement, *values):
        with sqlite3.connect(self.db) as db:
            db.execute(statement, values)
        db.close()

    def report(self, status=0):
        """All four forms of the database, parsed."""
        files = [self.path / name for name in ("o.ndjson", "o.xml", "o.html")]
        done = run("report", "--ndjson", files[0], "--junit", files[1], "--html", files[2], self.db)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout, *self.parse(*files)

    def parse(self, ndjson, junit, page):
        lines = [json.loads(line) for line in ndjson.read_text().splitlines()]
        root = xml.etree.ElementTree.parse(junit).getroot()
        self.assert_counts(root)
        parsed = Page(page.read_text())
        self.assertEqual(parsed.offences, [])
        return lines, root, parsed

    def assert_counts(self, root):
        """The counts that the tags state are those of the tests in them."""
        self.assertEqual(root.tag, "testsuites")
        for outer in [root, *root.findall("testsuite")]:
            for name, tag in [("tests", "testcase"), ("failures", "failure"), ("errors", "error"),
                              ("skipped", "skipped")]:
                self.assertEqual(int(outer.get(name)), len(list(outer.iter(tag))), name)
            self.assertGreaterEqual(float(outer.get("time")), 0)
        names = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
        self.assertEqual(len(names), len(set(names)))

    def test_a_run_writes_what_report_writes(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr)
        text, lines, root, page = self.report()
        for name in ("o.ndjson", "o.xml", "o.html"):
            self.assertEqual((self.path / name).read_text(),
                             (self.made / name.replace("o.", "a.")).read_text())
        self.assertEqual(text, self.done.stdout)
        self.assertNotIn(" of 12 runs", text)
        self.assertNotIn("never:\n", text)
        self.assertNotRegex(text, r"never: *\n")
        self.assertIn("All properties held", page.text)

    def test_ndjson_has_what_the_database_has(self):
        _, lines, _, _ = self.report()
        with sqlite3.connect(self.db) as db:
            db.row_factory = sqlite3.Row
            rows = db.execute("SELECT * FROM run ORDER BY scenario, seed").fetchall()
            names = dict(db.execute("SELECT key, value FROM meta").fetchall())
        self.assertEqual(len(lines), len(rows) + 1)
        for line, row in zip(lines, rows):
            for key in row.keys():
                if key in ("faults", "marks", "excuses"):
                    counts = map(int, row[key].split())
                    self.assertEqual(line[key], dict(zip(names[key].split(), counts)))
                else:
                    self.assertEqual(line[key], row[key], key)
            self.assertEqual((line["machine"], line["ops"]), ("kv", 1000))
        self.assertEqual([line["nodes"] for line in lines[:-1]], [3] * 6 + [5] * 6)
        self.assertEqual((lines[-1]["summary"], lines[-1]["runs"], lines[-1]["planned"],
                          lines[-1]["complete"]), (True, 12, 12, True))

    def test_replay_lines_repeat_the_runs_and_names_are_those_of_octo_sim(self):
        _, lines, _, _ = self.report()
        for line in (lines[0], lines[-2]):
            words = shlex.split(line["replay"])
            again = json.loads(run(*words[1:], "--json", program=SIM).stdout)
            same = [key for key in again if key not in ("replay", "build", "wall_ns", "complete")]
            self.assertEqual({key: again[key] for key in same}, {key: line[key] for key in same})

    def test_standard_output_takes_one_form_and_the_text_goes_elsewhere(self):
        done = run("report", "--ndjson", "-", self.db)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(len([json.loads(line) for line in done.stdout.splitlines()]), 13)
        self.assertIn("digest of the table", done.stderr)
        done = run("report", "--quiet", "--junit=-", self.db)
        self.assertEqual(done.stderr, "")
        xml.etree.ElementTree.fromstring(done.stdout)
        done = run(*FEW, "--seeds", "1..1", "--html", "-")
        self.assertEqual(Page(done.stdout).offences, [])

    def test_every_seed_is_a_test_and_every_scenario_a_suite(self):
        _, _, root, _ = self.report()
        suites = root.findall("testsuite")
        self.assertEqual([suite.get("name") for suite in suites], ["basic-3", "partition-leader"])
        for suite in suites:
            names = [case.get("name") for case in suite.findall("testcase")]
            self.assertEqual(names, [*(f"seed {seed}" for seed in range(1, 7)),
                                     "all runs were made", "ceiling: runs with a liveness excuse",
                                     "ceiling: undecided checks"])
            self.assertEqual({case.get("classname") for case in suite.iter("testcase")},
                             {f"octo-farm.{suite.get('name')}"})
            time.strptime(suite.get("timestamp"), "%Y-%m-%dT%H:%M:%S")

    def test_thousands_of_good_runs_are_one_test_a_thousand_seeds(self):
        self.change("WITH n(i) AS (SELECT 7 UNION ALL SELECT i+1 FROM n WHERE i<2500) INSERT INTO"
                    " run SELECT build, scenario, i, verdict, property, signature, why, replay,"
                    " event, hash, events, deliveries, acked, failed, unknown, elections, crashes,"
                    " restarts, impaired, used_bytes, lies_told, lies_ended, faults, marks, excuses,"
                    " virtual_ns, wall_ns, ended_ms FROM run, n WHERE seed=1 AND scenario='basic-3'")
        self.change("UPDATE run SET verdict='broken', property='durable-ack', signature='s', why='w'"
                    " WHERE seed=1500")
        self.change("UPDATE scenario SET planned=2500 WHERE name='basic-3'")
        _, _, root, _ = self.report(1)
        names = [case.get("name") for case in root.find("testsuite").findall("testcase")][:-3]
        self.assertEqual(names, ["seeds 0..999, those that went well", "seed 1500",
                                 "seeds 1000..1999, those that went well",
                                 "seeds 2000..2999, those that went well"])

    def test_whatever_a_run_says_is_escaped(self):
        for value in (NASTY, None):
            if value is None:
                self.change(f"UPDATE run SET verdict='broken', property={BROKEN_TEXT}, why="
                            f"{BROKEN_TEXT}, signature={BROKEN_TEXT}, replay={BROKEN_TEXT}")
                self.change(f"UPDATE scenario SET summary={BROKEN_TEXT}")
            else:
                self.change("UPDATE run SET verdict='broken', property=?1, why=?1, signature=?1,"
                            " replay=?1", value)
                self.change("UPDATE scenario SET summary=?", value)
            _, lines, root, page = self.report(1)
            failure = root.find(".//failure")
            if value is None:
                self.assertEqual(lines[0]["why"], "a\ufffdb" + "\ufffd" * 5 + "c")
                self.assertEqual(failure.get("message"), lines[0]["why"])
            else:
                shown = value
                for letter in "\x01\x1f\ufffe\uffff":
                    shown = shown.replace(letter, "\ufffd")
                self.assertEqual(lines[0]["why"], value)
                self.assertEqual(failure.get("message"), shown)
                self.assertEqual(failure.get("type"), shown)
                self.assertIn(shown, failure.text)
                self.assertIn(shown, page.text)

    def test_part_of_a_farm_says_so_in_all_forms(self):
        self.change("DELETE FROM run WHERE seed>3 AND scenario='basic-3'")
        mention = "9 of 12 runs: stopped, or still running"
        text, lines, root, page = self.report()
        self.assertIn(f"\n{mention}\n", text)
        self.assertEqual((lines[-1]["progress"], lines[-1]["complete"]), (mention, False))
        errors = [case for case in root.iter("testcase") if case.find("error") is not None]
        self.assertEqual({case.get("name") for case in errors}, {"all runs were made"})
        self.assertIn("3 of 6 runs of this scenario", errors[0].find("error").get("message"))
        self.assertIn(mention, errors[0].find("error").get("message"))
        self.assertIn(mention, page.text)

    def test_a_scenario_without_any_run_is_there(self):
        self.change("DELETE FROM run WHERE scenario='basic-3'")
        _, _, root, page = self.report()
        self.assertEqual(len(root.findall("testsuite")), 2)
        self.change("DELETE FROM run")
        _, lines, _, page = self.report()
        self.assertEqual(len(lines), 1)
        self.assertIn("No run was made", page.text)
        self.assertIn("0 of 12 runs", page.text)

    def test_shards_say_so_and_merged_are_whole(self):
        parts = [self.path / f"{i}.db" for i in (1, 2)]
        for i, part in enumerate(parts, 1):
            run(*FEW, "--seeds", "1..6", "--shard", f"{i}/2", "--db", part, "-q")
        self.db = parts[0]
        text, lines, root, page = self.report()
        for words in (text, lines[-1]["progress"], root.find(".//skipped").get("message"), page.text):
            self.assertIn("6 of 12 runs: shard 1/2, complete", words)
        self.assertEqual(root.get("errors"), "0")
        for count, mention in [(1, "6 of 12 runs: shards are missing"), (2, "12 runs")]:
            self.db = self.path / f"m{count}.db"
            run("merge", self.db, *parts[:count])
            _, lines, _, _ = self.report()
            self.assertIn(mention, lines[-1]["progress"])
            self.assertEqual(lines[-1]["complete"], count == 2)

    def test_a_farm_for_a_time_is_whole_when_the_time_is_over(self):
        self.db = self.path / "t.db"
        run(*FEW, "--for", "1s", "--db", self.db, "-q")
        _, lines, _, _ = self.report()
        self.assertEqual((lines[-1]["complete"], lines[-1]["planned"]), (True, None))
        self.change("UPDATE meta SET value='no' WHERE key='ended'")
        text, lines, root, page = self.report()
        for words in (text, lines[-1]["progress"], root.find(".//error").get("message"), page.text):
            self.assertIn("runs: stopped before its time was over", words)

    def test_an_interrupted_farm_ends_with_3_and_writes_its_outputs(self):
        files = [self.path / name for name in ("i.ndjson", "i.xml", "i.html")]
        farm = subprocess.Popen([PROGRAM, *FEW, "--seeds", "1..100000", "--db", self.path / "i.db",
                                 "--ndjson", files[0], "--junit", files[1], "--html", files[2]],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(1.5)
        farm.send_signal(signal.SIGINT)
        out, errors = farm.communicate()
        self.assertEqual(farm.returncode, 3, errors)
        self.assertIn(" of 200000 runs: stopped", out)
        lines, root, page = self.parse(*files)
        self.assertIn(" of 200000 runs: stopped", lines[-1]["progress"])
        self.assertIn(" of 200000 runs: stopped", page.text)
        self.assertEqual(root.get("errors"), "2")

    def test_failures_are_failures(self):
        self.db = self.path / "crash.db"
        run("--scenario", "swarm", "--seeds", "1..12", "--db", self.db, program=TRAPPED,
            FARM_TRAP="crash")
        text, lines, root, page = self.report(1)
        fell = [line for line in lines[:-1] if line["verdict"] == "crash"]
        self.assertTrue(0 < len(fell) < 12)
        self.assertEqual(len(root.findall(".//error[@type='crash']")), len(fell))
        for line in fell:
            self.assertIsNone(line["hash"])
            self.assertIsNone(line["events"])
            self.assertIn(f"--seed {line['seed']} ", line["replay"])
            case = root.find(f".//testcase[@name='seed {line['seed']}']")
            self.assertIn(line["replay"], case.find("error").text)
        self.assertIn(f"{len(fell)} runs failed" if len(fell) > 1 else "1 run failed", page.text)
        self.assertIn("crash: SIGABRT", page.text)
        self.assertIn(fell[0]["replay"], page.text)
        self.assertTrue({"failures", "causes-plot-t", "firsts-plot-t"} <= page.ids)

    def test_a_vacuous_run_is_a_failure(self):
        self.change("UPDATE run SET verdict='broken', property='non-vacuous', why='wants 1, got 0',"
                    " signature='non-vacuous: wants', event=7 WHERE seed=2")
        _, lines, root, page = self.report(1)
        self.assertEqual([line["event"] for line in lines[:3]], [None, 7, None])
        self.assertEqual(len(root.findall(".//failure[@type='non-vacuous']")), 2)
        self.assertIn("non-vacuous: wants", page.text)

    def test_ceilings_are_tests(self):
        self.change("UPDATE run SET verdict='undecided', why='no budget left' WHERE seed=2")
        text, _, root, page = self.report(4)
        self.assertEqual(root.get("failures"), "2")
        self.assertEqual(root.find(".//skipped").get("message"), "no budget left")
        failure = root.find(".//testcase[@name='ceiling: undecided checks']/failure")
        self.assertIn("1 of 6 runs", failure.get("message"))
        self.assertIn("Too many runs were undecided", page.text)
        self.change("UPDATE run SET verdict='ok', excuses='3' WHERE seed=2")
        text, _, root, page = self.report(1)
        self.assertIn("more runs were excused", text)
        self.assertNotRegex(text, r"never: *\n")  # there is one excuse, and it came
        self.assertIsNotNone(root.find(".//testcase[@name='ceiling: runs with a liveness excuse']"
                                       "/failure"))
        self.assertIn("Too many runs were excused", page.text)

    def test_what_cannot_be_written_loses_no_results(self):
        for form in ("--ndjson", "--junit", "--html"):
            with self.subTest(form):
                db = self.path / f"w{form}.db"
                done = run(*FEW, "--seeds", "1..2", "--db", db, form, "/nonexistent/x", "-q")
                self.assertEqual(done.returncode, 2)
                self.assertIn("octo-farm: cannot write /nonexistent/x: No such file", done.stderr)
                self.assertFalse(db.exists())
                done = run(*FEW, "--seeds", "1..2", "--db", db, form, "/dev/full", "-q")
                self.assertEqual(done.returncode, 3)
                self.assertIn("cannot write /dev/full: No space left", done.stderr)
                with sqlite3.connect(db) as rows:
                    self.assertEqual(rows.execute("SELECT count(*) FROM run").fetchone(), (4,))
                done = run("report", form, "/dev/full", "-q", db)
                self.assertEqual(done.returncode, 3)
                self.assertIn("cannot write /dev/full", done.stderr)

    def test_an_output_never_takes_the_place_of_the_database(self):
        os.symlink(self.db, self.path / "other")
        for words in (["report", "--html", self.path / "other", self.db],
                      [*FEW, "--seeds", "1..6", "--db", self.db, "--junit", self.db]):
            done = run(*words)
            self.assertEqual(done.returncode, 2)
            self.assertIn("is the database", done.stderr)
        self.report()
        new = self.path / "new"
        done = run(*FEW, "--seeds", "1..1", "--db", new, "--junit", new)
        self.assertEqual(done.returncode, 2)
        self.assertIn("is the database", done.stderr)

    def test_a_damaged_database_makes_no_summary(self):
        self.change("UPDATE run SET verdict='nonsense' WHERE seed=1")
        for words in (["report", self.db], ["report", "-q", "--ndjson", "-", self.db]):
            done = run(*words)
            self.assertEqual((done.returncode, done.stdout), (3, ""))
            self.assertIn("is damaged: a run", done.stderr)
        self.change("UPDATE run SET verdict='ok', wall_ns=9223372036854775807 WHERE seed=1")
        done = run("report", self.db)
        self.assertEqual((done.returncode, done.stdout), (3, ""))

    def test_a_farm_that_ended_leaves_one_file(self):
        self.assertEqual([path.name for path in self.path.glob(self.db.name + "*")],
                         [self.db.name])
        with sqlite3.connect(self.db) as db:
            self.assertEqual(db.execute("PRAGMA journal_mode").fetchone(), ("delete",))

    def test_a_database_of_another_format_is_refused(self):
        self.change("UPDATE meta SET value='1' WHERE key='format'")
        for words in (["report", self.db], ["merge", self.path / "m.db", self.db],
                      [*FEW, "--seeds", "1..6", "--db", self.db]):
            done = run(*words)
            self.assertEqual(done.returncode, 2)
            self.assertIn("has format 1, of another version of octo-farm", done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)

    def test_scenarios_are_listed_and_files_replay_as_files(self):
        self.assertEqual(run("--list-scenarios").stdout,
                         run("--list-scenarios", program=SIM).stdout)
        path = self.path / "mine.yaml"
        path.write_text("name: mine\nsummary: <b>Mine</b>\nnodes: 3\noperations: 50\nmix: none\n")
        self.db = self.path / "mine.db"
        run("--scenario", path, "--seeds", "3..3", "--db", self.db)
        _, lines, _, page = self.report()
        self.assertIn(f"--scenario {path} --seed 3", lines[0]["replay"])


if __name__ == "__main__":
    PROGRAM, TRAPPED, SIM = (str(pathlib.Path(word).resolve()) for word in sys.argv[1:4])
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
