"""Starts `countersign serve` with a `[trace]` section of a test's choosing.

Promises: a server that is handed out answers requests; one that is stopped is gone.
"""

import json
import os
import signal
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from countersign import READY_WITHIN_SECONDS, STOPPED_WITHIN_SECONDS, CannotStart, find_binary

KEY_VARIABLE = "TRACE_PRIVATE_KEY_PEM"
ADMIN_KEY = "sk_live_0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Serving:
    url: str
    folder: Path
    process: subprocess.Popen

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=STOPPED_WITHIN_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()


def serve(folder: Path, trace: dict, environment: dict | None = None) -> Serving:
    """Starts a server whose configuration and data live in `folder`."""
    settings = "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in trace.items())
    config = folder / "countersign.toml"
    config.write_text(
        f'[server]\nlisten = ["127.0.0.1:0"]\n[storage]\ndata_dir = "data"\n[trace]\n{settings}'
    )
    # A key in the environment of the run itself is not the test's.
    inherited = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
    process = subprocess.Popen(
        [find_binary(), "serve", "--config", config],
        env={**inherited, "COUNTERSIGN_BOOTSTRAP_ADMIN_KEY": ADMIN_KEY, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    impatience = threading.Timer(READY_WITHIN_SECONDS, process.kill)
    impatience.start()
    said = []
    for line in process.stderr:
        said.append(line)
        url = listening_on(line)
        if url is not None:
            impatience.cancel()
            # What is said from here on is nobody's business, but must have room.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return Serving(url, folder, process)
    impatience.cancel()
    process.wait()
    raise CannotStart(f"`countersign serve` ended with {process.returncode}:\n{''.join(said)}")


def listening_on(line: str) -> str | None:
    """The URL that a line of the log says is ready."""
    try:
        before, _, url = json.loads(line)["message"].partition("listening on ")
    except ValueError:
        return None
    return url if url and not before else None
