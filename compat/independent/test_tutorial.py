"""docs/tutorial/verify-without-us.md, typed as it stands."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import countersign

TUTORIAL = countersign.REPOSITORY / "docs/tutorial/verify-without-us.md"


def blocks(sections):
    """The commands of the numbered sections, in order."""
    parts = re.split(r"^## (?=\d)", TUTORIAL.read_text(), flags=re.MULTILINE)[1:]
    chosen = [part.split("\n## ")[0] for part in parts if int(part[0]) in sections]
    return [block for part in chosen for block in re.findall(r"^```sh\n(.*?)^```", part, re.DOTALL | re.MULTILINE)]


def typed(server, sections):
    """Runs the commands in one shell, after those that start the server and name its values."""
    start, values, *rest = blocks(sections)
    assert start == "make dev\n"
    named = set(re.findall(r"^export (\w+)=", values, re.MULTILINE))
    binaries = [Path(sys.executable).parent, countersign.find_binary().parent]
    environment = {
        "PATH": os.pathsep.join([*map(str, binaries), os.environ["PATH"]]),
        "URL": server.url,
        "COUNTERSIGN_URL": server.url,
        "AGENT": server.agent_id,
        "ADMIN_KEY": server.admin_key,
        "COUNTERSIGN_API_KEY": server.agent_key,
    }
    assert named == set(environment) - {"COUNTERSIGN_URL"}
    shutil.rmtree(countersign.REPOSITORY / "target/without-us", ignore_errors=True)
    command = ["bash", "-euo", "pipefail", "-c", "".join(rest)]
    ran = subprocess.run(
        command,
        cwd=countersign.REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout, ran.stderr


def test_the_python_way(server):
    out, err = typed(server, {1, 2, 3})
    assert len(re.findall(r"^entry \d+ of \d+ in \S+, verified$", err, re.MULTILINE)) == 1, err
    assert "not verified: the tree does not hold this entry at this index\n" in err
    assert out.endswith("exit code 1\n")
    # The digest of the arguments, as computed and as recorded.
    [digest] = re.findall(r"^([0-9a-f]{64})  -$", out, re.MULTILINE)
    assert f'\n"arguments":"{digest}"\n' in out


def test_the_go_way(server):
    if shutil.which("go") is None:
        pytest.skip("`go` is missing: sections 4 and 5 of the tutorial cannot be typed")
    _, err = typed(server, {1, 2, 3, 4, 5})
    assert len(re.findall(r"^entry \d+ of \d+ in \S+, verified$", err, re.MULTILINE)) == 2, err
    [(larger, smaller)] = re.findall(r"^the tree of (\d+) holds all of the tree of (\d+), verified$", err, re.MULTILINE)
    assert int(larger) > int(smaller)
