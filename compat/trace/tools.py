"""The published command-line tools, run as their users run them."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
V02 = Path(sys.executable).parent
V01 = REPOSITORY / "target/compat-trace-v01-venv/bin"


@dataclass(frozen=True)
class Ran:
    code: int
    text: str

    @property
    def failed(self) -> set[str]:
        """What failed: the codes of the checks, or of the module where no code is said."""
        failures = re.findall(r"^ +(TR-[A-Z]+) +FAIL +(TR-[A-Z]+-\d+)?", self.text, re.MULTILINE)
        return {code or module for module, code in failures}

    def passed(self, module: str) -> int:
        """How many checks of a module, such as `TR-ANC`, passed."""
        return len(re.findall(rf"^ +{module} +PASS ", self.text, re.MULTILINE))


def run(*command) -> Ran:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)
    return Ran(done.returncode, done.stdout + done.stderr)


def trace_tests(record: Path, level: int, *more, tools: Path = V02) -> Ran:
    return run(tools / "trace-tests", "verify", "--record", record, "--level", level, *more)


def trace_verify(claim: Path, receipt: Path, anchor: Path, producers: Path) -> Ran:
    return run(
        V02 / "trace-verify",
        *("--claim", claim, "--proof", receipt, "--entry", anchor, "--producers-dir", producers),
    )
