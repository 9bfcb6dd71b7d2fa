"""Turns what test runners print into lines `outcome<TAB>name`: the only form that tests/conformance/run reads."""

import json
import re
import sys
from xml.etree import ElementTree


def junit(lines):
    """pytest's --junitxml. An expected failure is a skip; an error in the fixture of a test is its failure."""
    for case in ElementTree.fromstring("".join(lines)).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            yield "fail", name
        elif case.find("skipped") is not None:
            yield "skip", name
        else:
            yield "pass", name


def cargo(lines):
    """cargo test, whose lines may have a test's own output in between; the binary is named before its tests."""
    binary, outcomes = "", {"ok": "pass", "FAILED": "fail", "ignored": "skip"}
    for line in lines:
        if found := re.match(r"\s+Running (?:unittests )?(\S+) \(", line):
            binary = found[1].rsplit("/", 1)[-1].removesuffix(".rs")
        elif found := re.match(r"test (\S+)(?: - should panic)? \.\.\. .*?\b(ok|FAILED|ignored)\b", line):
            yield outcomes[found[2]], f"{binary}::{found[1]}"


def go(lines):
    """go test -json. A test that never ended has failed."""
    running = {}
    for line in lines:
        event = json.loads(line) if line.startswith("{") else {}
        name = f"{event.get('Package')}.{event.get('Test')}"
        if not event.get("Test"):
            continue
        if event["Action"] == "run":
            running[name] = "fail"
        elif event["Action"] in ("pass", "fail", "skip"):
            running.pop(name, None)
            yield event["Action"], name
    for name, outcome in running.items():
        yield outcome, name


def regress(lines):
    """pg_regress: `test name ... ok`, with the first word left out inside of a group."""
    for line in lines:
        if found := re.match(r"(?:test)?\s+(\S+)\s+\.\.\. (ok|FAILED|failed)", line):
            yield "pass" if found[2] == "ok" else "fail", found[1]


def tap(lines):
    """node --test: each file is a test of its own, which says nothing more than the tests in it."""
    for line in lines:
        if (found := re.match(r"\s*(ok|not ok) \d+ - (.*)", line)) and not found[2].endswith(".mjs"):
            yield "pass" if found[1] == "ok" else "fail", found[2]


# Line by line, so that what was known before a suite hung and was broken off is not lost.
if __name__ == "__main__":
    runner, *prefix = sys.argv[1:]
    for outcome, name in globals()[runner](sys.stdin):
        print(outcome, " ".join((*prefix, name)).replace("\t", " ").strip(), sep="\t", flush=True)
