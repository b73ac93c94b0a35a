"""`trace-tests`, the conformance suite, on records that this server wrote."""

import json

from tools import trace_tests


def test_a_record_passes_every_check_of_level_0(closed, write):
    ran = trace_tests(write("record.json", closed.part("")), 0)
    assert ran.code == 0, ran.text
    # What is skipped is what a record may leave out.
    assert "Result: PASS  (15 checks, 4 skipped)" in ran.text, ran.text


def test_level_2_fails_for_what_software_cannot_have_and_for_nothing_else(closed, write):
    record, receipt = write("record.json", closed.part("")), write("receipt.json", closed.part("/receipt"))
    ran = trace_tests(record, 2, "--receipt", receipt, "--expected-nonce", "challenge-1")
    # Nobody appraised it, and no hardware vouches for it.
    assert (ran.code, ran.failed) == (1, {"TR-APR-005", "TR-RTE-001"}), ran.text
    assert "(25 checks, 2 failure(s), 4 skipped)" in ran.text, ran.text
    # The nonce; the transcript; the https anchor and the inclusion in it.
    assert [ran.passed(module) for module in ("TR-RTE", "TR-TXN", "TR-ANC")] == [2, 2, 2], ran.text
    assert "inclusion proven" in ran.text, ran.text


def test_level_1_fails_for_the_same_and_for_nothing_else(closed, write):
    ran = trace_tests(write("record.json", closed.part("")), 1, "--expected-nonce", "challenge-1")
    assert (ran.code, ran.failed) == (1, {"TR-APR-005", "TR-RTE-001"}), ran.text


def test_level_2_sees_a_receipt_of_another_record_and_another_nonce(world, closed, write):
    other = world.closed(nonce="challenge-2")
    record, receipt = write("record.json", closed.part("")), write("receipt.json", other.part("/receipt"))
    ran = trace_tests(record, 2, "--receipt", receipt, "--expected-nonce", "challenge-2")
    assert ran.failed == {"TR-APR-005", "TR-RTE-001", "TR-RTE-004", "TR-ANC-002"}, ran.text


def test_a_record_without_a_public_url_has_no_transparency_and_passes_level_0(start, write):
    closed = start().closed()
    assert "transparency" not in closed.record
    ran = trace_tests(write("record.json", closed.part("")), 0)
    assert ran.code == 0, ran.text


def test_a_changed_record_fails_level_0(closed, write):
    changed = {**closed.record, "data_class": "public"}
    ran = trace_tests(write("record.json", json.dumps(changed)), 0)
    assert (ran.code, ran.failed) == (1, {"TR-SIG"}), ran.text
    assert "signature verification failed" in ran.text, ran.text
