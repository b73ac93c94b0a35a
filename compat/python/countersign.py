"""Starts and stops one live Countersign server.

Promises: a server that is handed out answers requests; a server that is stopped
is gone. Never looks for a binary anywhere but in the three places it names.
"""

import json
import os
import signal
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
READY_WITHIN_SECONDS = 60
STOPPED_WITHIN_SECONDS = 30


class CannotStart(Exception):
    """The server is not there, or did not become ready."""


@dataclass(frozen=True)
class Server:
    url: str
    admin_key: str
    agent_key: str
    agent_id: str
    process: subprocess.Popen

    def stop(self) -> int:
        """Interrupts the server, waits for it to end and returns its exit code."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(timeout=STOPPED_WITHIN_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


def find_binary() -> Path:
    named = os.environ.get("COUNTERSIGN_BIN")
    if named:
        places = [Path(named)]
    else:
        places = [REPOSITORY / "target" / profile / "countersign" for profile in ("debug", "release")]
    for place in places:
        if place.is_file():
            return place.resolve()
    looked = ", ".join(str(place) for place in places)
    raise CannotStart(f"no countersign binary: looked at {looked}; build it or set COUNTERSIGN_BIN")


def start(folder: Path) -> Server:
    """Starts a server whose data and log live in `folder`."""
    binary = find_binary()
    log_path = folder / "stderr.log"
    command = [binary, "dev", "--listen", "127.0.0.1:0", "--data", folder / "data", "--json"]
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL)
    # A server that says nothing is ended, which turns the wait below into an empty line.
    impatience = threading.Timer(READY_WITHIN_SECONDS, process.kill)
    impatience.start()
    line = process.stdout.readline()
    impatience.cancel()
    try:
        ready = json.loads(line)
        return Server(ready["url"], ready["admin_key"], ready["agent_key"], ready["agent_id"], process)
    except (ValueError, KeyError, TypeError) as error:
        process.kill()
        process.wait()
        process.stdout.close()
        said = log_path.read_text(errors="replace")[-4000:]
        raise CannotStart(f"`{binary} dev` did not say it is ready; it said {line!r}\n{said}") from error
