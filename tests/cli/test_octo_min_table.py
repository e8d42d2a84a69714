#!/usr/bin/env python3
"""Tests that octo-min-table --check takes no stale plan. No bug is built: what a bug does is played
by the kernel as it is, which breaks nothing.

usage: test_octo_min_table.py PATH-TO-octo-sim [unittest arguments]
"""
import contextlib
import importlib.machinery
import importlib.util
import io
import pathlib
import sys
import tempfile
import types
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SIM = ""

HEAD = "octo-plan 1\n# what it was\nseed 3\nnodes 3\nops 4\nfaults swarm\nbase calm\n"
QUIET = "quiet-ns 640000000\n"
STRIKE = "\ncrash window=1 fault=kill bits=0\n"
NOWHERE = "\nmessage-lost by=n1 to=n2 life=9 what=append-request term=9 index=9 bits=0\n"
EXPECTS = "expect durable-ack: # votes for # in term #\n"


def table():
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("table", str(ROOT / "tools" / "octo-min-table"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("table", loader))
    loader.exec_module(module)
    return module


class Unchanged:
    """Programs in which no bug changes anything."""

    def __init__(self):
        self.sim = SIM

    def of(self, _):
        return SIM, None


class Check(unittest.TestCase):
    def check(self, text, only=None):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "a.plan").write_text(text)
            options = types.SimpleNamespace(check=pathlib.Path(folder), only=only)
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                status = table().check(options, [types.SimpleNamespace(name="known")], Unchanged())
        return status, out.getvalue()

    def test_a_plan_that_holds(self):
        status, out = self.check(HEAD + QUIET + "marks election-won\n" + STRIKE)
        self.assertEqual((status, out), (0, "ok     a.plan: nothing breaks\n"))

    def test_stale_plans(self):
        for text, wants in [
            (HEAD + QUIET + NOWHERE, "1 of 1 lines of the plan never matched"),
            (HEAD + QUIET + "marks log-full\n" + STRIKE, "stale, without a bug: non-vacuous: "),
            (HEAD + QUIET + "marks no-such-mark\n" + STRIKE, "is no plan any more: "),
            (HEAD + QUIET + EXPECTS + STRIKE, "the plan expects"),
            (HEAD + QUIET + "bug known\n" + EXPECTS + STRIKE, "does not break as it says"),
            (HEAD + QUIET + "bug unknown\n" + EXPECTS + STRIKE, "no bug is called 'unknown'"),
        ]:
            status, out = self.check(text)
            self.assertEqual(status, 1, text)
            self.assertTrue(out.startswith("FAILED a.plan: "), out)
            self.assertIn(wants, out)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    SIM = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main()
