"""That a log only grew, as Go's packages find by reading its tiles."""

import base64
import hashlib
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# More than one tile of 256 hashes, so that tiles of two levels are read.
MANY = 600


@pytest.fixture
def extends(go_verifier, log, server, tmp_path):
    """Whether the log holds all that an older checkpoint held."""

    def run(checkpoint):
        (tmp_path / "vkey").write_text(log.vkey)
        (tmp_path / "old").write_text(checkpoint)
        command = [go_verifier, "extends", tmp_path / "vkey", tmp_path / "old", server.url]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    return run


def published(log):
    """The checkpoint, once everything that was recorded before is under it."""
    receipt = log.receipt_of(log.decide("read_file"))
    return receipt.split("\n\n", 1)[1]


@pytest.fixture(scope="module")
def older(log):
    """Checkpoints of one log: early, in the middle of a tile, and late."""
    found = [published(log)]
    for _ in range(3):
        log.report(MANY // 3)
        found.append(published(log))
    return found


def test_the_log_holds_all_that_it_ever_published(extends, older):
    for checkpoint in older:
        ran = extends(checkpoint)
        assert ran.returncode == 0, ran.stderr
        size = int(checkpoint.split("\n")[1])
        assert f"holds all of the tree of {size}, verified" in ran.stderr
    assert size > MANY


def signed(folder, origin, size, root):
    """A checkpoint by whoever has the log's own key."""
    key = Ed25519PrivateKey.from_private_bytes((folder / "data/log.key").read_bytes())
    public = key.public_key().public_bytes_raw()
    key_id = hashlib.sha256(origin.encode() + b"\n\x01" + public).digest()[:4]
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    return f"{text}\n— {origin} {base64.b64encode(key_id + key.sign(text.encode())).decode()}\n"


def test_an_operator_who_signed_another_tree_before_is_found_out(extends, older, folder):
    origin, size, root = older[1].split("\n")[:3]
    honest = signed(folder, origin, size, base64.b64decode(root))
    assert honest == older[1], "the key or the form is another"
    assert extends(honest).returncode == 0
    lie = signed(folder, origin, size, hashlib.sha256(b"another history").digest())
    ran = extends(lie)
    assert ran.returncode == 1 and ran.stderr.startswith("not verified: "), ran.stderr


def test_a_log_that_became_shorter_is_found_out(extends, older, folder):
    origin = older[0].split("\n")[0]
    ran = extends(signed(folder, origin, 2**40, hashlib.sha256(b"entries that are gone").digest()))
    assert ran.returncode == 1 and ran.stderr.startswith("not verified: "), ran.stderr
