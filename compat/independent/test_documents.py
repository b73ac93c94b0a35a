"""What docs/reference tells strangers to compute comes out as it says."""

import hashlib
import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import countersign

REFERENCE = countersign.REPOSITORY / "docs/reference"
ENTRY_FORMAT = (REFERENCE / "entry-format.md").read_text()


def head(entries):
    at = "0" * 64
    for entry in entries:
        at = hashlib.sha256(at.encode() + entry.encode()).hexdigest()
    return at


def example():
    """The entries of the worked example, with the head that is said to be after each."""
    _, _, text = ENTRY_FORMAT.partition("## Worked example")
    return re.findall(r"```json\n(.*?)\n```\n\nhead after it: `([0-9a-f]{64})`", text)


def test_the_heads_of_the_worked_example_are_right():
    entries = [entry for entry, _ in example()]
    assert len(entries) == 3
    for count, (entry, said) in enumerate(example(), start=1):
        assert head(entries[:count]) == said
        assert json.dumps(json.loads(entry), sort_keys=True, separators=(",", ":")) == entry


def test_the_transcript_and_the_measurement_of_the_example_are_right():
    text = (REFERENCE / "trace.md").read_text()
    at = head([entry for entry, _ in example()])
    decisions = sum(json.loads(entry)["kind"] == "decision" for entry, _ in example())
    assert f'{{"call_count":{decisions},"hash":"sha256:{at}"}}' in text
    assert f"`sha256:{hashlib.sha256(at.encode()).hexdigest()}`" in text


def read_by_the_document(data):
    [program] = re.findall(r"^```python\n(.*?)^```", ENTRY_FORMAT, re.DOTALL | re.MULTILINE)
    return subprocess.run([sys.executable, "-c", program, data], capture_output=True, text=True)


def test_the_verifier_in_the_document_reads_the_folder_of_a_live_server(log, folder):
    log.decide("read_données")
    ran = read_by_the_document(folder / "data")
    assert ran.returncode == 0, ran.stderr
    entries, chains = re.fullmatch(r"(\d+) entries, (\d+) chains\n", ran.stdout).groups()
    assert int(entries) >= int(chains) >= 1


def test_the_verifier_in_the_document_sees_an_entry_that_was_changed(log, folder, tmp_path):
    log.decide("read_file")
    with closing(sqlite3.connect(folder / "data/countersign.db")) as live:
        live.execute("VACUUM INTO ?", [str(tmp_path / "countersign.db")])
    with closing(sqlite3.connect(tmp_path / "countersign.db")) as copy, copy:
        copy.execute("UPDATE entries SET body = CAST(replace(body, 'change', 'chance') AS BLOB) WHERE position = 1")
    ran = read_by_the_document(tmp_path)
    # It shows where the chain goes on: at the next entry that names the head before.
    assert ran.returncode == 1 and re.fullmatch(r"entry \d+ does not verify\n", ran.stderr), ran.stdout + ran.stderr
