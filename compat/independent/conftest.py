"""One `countersign dev` for the run, and the two verifiers."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import countersign
from wire import Wire

HERE = Path(__file__).resolve().parent
WITHIN_SECONDS = 30


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("countersign")


@pytest.fixture(scope="session")
def server(folder):
    try:
        running = countersign.start(folder)
    except countersign.CannotStart as problem:
        pytest.exit(str(problem), returncode=3)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def log(server):
    return Log(server)


class Log:
    """The log of a server, as an auditor asks for it."""

    def __init__(self, server):
        self.server = server
        self.wire = Wire(server.url, server.admin_key)
        self.open = Wire(server.url, None)

    @property
    def vkey(self):
        return self.open.get("/log/vkey").text

    def decide(self, tool, session=""):
        body = {"agent_id": self.server.agent_id, "session_id": session, "action_name": tool, "action_source": "api"}
        answer = self.wire.post("/api/v1/agenttrust/check", body)
        assert answer.status == 200, answer.text
        return answer.json["check_id"]

    def report(self, count):
        """Adds many entries at once: what an agent says its tools did."""
        event = {"event_type": "tool_end", "tool_name": "read_file", "success": True}
        body = {"agent_id": self.server.agent_id, "session_id": "", "events": [event] * count}
        answer = self.wire.post("/api/v1/telemetry/report", body)
        assert answer.json.get("events_processed") == count, answer.text

    def receipt(self, path):
        """What is asked for again until a checkpoint covers it."""
        deadline = time.monotonic() + WITHIN_SECONDS
        while time.monotonic() < deadline:
            answer = self.wire.get(path)
            if answer.status != 202:
                assert answer.status == 200, answer.text
                return answer.text
        raise AssertionError(f"no checkpoint covers {path} after {WITHIN_SECONDS} seconds")

    def receipt_of(self, check):
        return self.receipt(f"/api/v1/decisions/{check}/receipt")


@pytest.fixture(scope="session")
def go_verifier(tmp_path_factory):
    """The Go program, built; skipped by name where there is no `go`."""
    if shutil.which("go") is None:
        pytest.skip("`go` is missing: the Go verifier cannot be built")
    program = tmp_path_factory.mktemp("go") / "verify"
    built = subprocess.run(["go", "build", "-o", program, "."], cwd=HERE / "go", capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return program


@pytest.fixture(params=["Python", "Go"])
def verify(request, tmp_path):
    """Runs one of the verifiers on a key and a receipt."""
    if request.param == "Go":
        command = [request.getfixturevalue("go_verifier"), "receipt"]
    else:
        command = [sys.executable, "-B", HERE / "verify_receipt.py"]

    def run(vkey, receipt):
        (tmp_path / "vkey").write_text(vkey)
        (tmp_path / "receipt").write_text(receipt)
        files = [tmp_path / "vkey", tmp_path / "receipt"]
        return subprocess.run([*command, *files], capture_output=True, timeout=60)

    return run
