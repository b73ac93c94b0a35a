"""The superseded profile v0.1, for readers that know no other."""

import json

import pytest
from agentrust_trace import verify_record

from tools import REPOSITORY, V01, run, trace_tests

VERIFY = """
import json, sys
from agentrust_trace import validate_json, verify_record
record, jwk = (json.load(open(path)) for path in sys.argv[1:])
validate_json(record)
verify_record(record, jwk)
"""


@pytest.fixture(scope="session", autouse=True)
def tools_of_v01():
    if not (V01 / "trace-tests").is_file():
        pytest.fail(f"the tools of v0.1 are not in {V01.relative_to(REPOSITORY)}: run compat/run")


@pytest.fixture(params=["with a public URL", "without one"])
def legacy(request, world, closed, start):
    if request.param == "without one":
        closed = start().closed()
    return closed


def test_the_old_suite_and_the_old_library_accept_the_old_form(legacy, write):
    record = write("record.json", legacy.part("?profile=v0.1"))
    ran = trace_tests(record, 0, tools=V01)
    assert (ran.code, ran.failed) == (0, set()), ran.text
    assert "Result: PASS" in ran.text, ran.text
    jwk = write("jwk.json", legacy.world.jwk)
    ran = run(V01 / "python", "-c", VERIFY, record, jwk)
    assert ran.code == 0, ran.text


def test_the_new_suite_and_the_new_library_refuse_the_old_form(legacy, write):
    text = legacy.part("?profile=v0.1")
    record = write("record.json", text)
    ran = trace_tests(record, 0)
    assert (ran.code, ran.failed) == (1, {"TR-ENV"}), ran.text
    assert "eat_profile must be" in ran.text, ran.text
    with pytest.raises(ValueError, match="v0.1"):
        verify_record(json.loads(text), legacy.world.jwk)


def test_an_agent_named_by_a_did_has_no_old_form_and_the_refusal_says_so(world):
    closed = world.closed(agent=world.agent(metadata={"did": "did:web:acme.example:a"}))
    answer = world.wire.get(f"/api/v1/sessions/{closed.id}/trace?profile=v0.1")
    assert (answer.status, answer.json["code"]) == (400, "invalid_request"), answer.text
    assert "did:web:acme.example:a" in answer.json["message"] and "v0.2" in answer.json["message"]


def test_the_old_suite_refuses_the_new_form(legacy, write):
    ran = trace_tests(write("record.json", legacy.part("")), 0, tools=V01)
    assert (ran.code, ran.failed) == (1, {"TR-ENV"}), ran.text
    assert "eat_profile must be" in ran.text, ran.text
