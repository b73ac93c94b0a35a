"""The rules of `bench/src/policies.rs`, in the Agent Control Specification's own runtime.

Takes the path of `opa`, which it starts for each decision. Prints the median time of
a decision in microseconds, as JSON.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ["ACS_OPA_PATH"] = sys.argv[1]

from agent_control_specification import AgentControl, Decision, InterventionPoint  # noqa: E402

RULES = 100
ROUNDS = 50

MANIFEST = """
agent_control_specification_version: "0.3.1-beta"
metadata: { name: bench }
policies:
  rules: { type: rego, bundle: ./policy, query: data.bench.verdict }
intervention_points:
  pre_tool_call:
    policy_target: "$snap.tool_call.args"
    policy_target_kind: tool_args
    tool_name_from: "$snap.tool_call.name"
    policy: { id: rules }
tools:
  payments/get_quote: {}
"""

HEAD = """package bench

import rego.v1

default verdict := {"decision": "allow"}

verdict := {"decision": "deny"} if { some rule in denied }
"""


async def median(condition):
    with tempfile.TemporaryDirectory() as folder:
        rules = "".join(f'denied contains "r{n}" if {{ {condition(n)} }}\n' for n in range(RULES))
        Path(folder, "policy").mkdir()
        Path(folder, "policy", "rules.rego").write_text(HEAD + rules)
        Path(folder, "manifest.yaml").write_text(MANIFEST)
        control = AgentControl.from_path(str(Path(folder, "manifest.yaml")))

        async def decide(amount):
            asked = {"tool_call": {"name": "payments/get_quote", "args": {"amount": amount}}}
            result = await control.evaluate_intervention_point(InterventionPoint.PRE_TOOL_CALL, asked)
            return result.verdict.decision

        assert await decide(12) == Decision.ALLOW
        assert await decide(10**6) == Decision.DENY
        took = []
        for _ in range(ROUNDS):
            began = time.perf_counter_ns()
            await decide(12)
            took.append(time.perf_counter_ns() - began)
        return statistics.median(took) / 1000


def of_many_tools(n):
    tool = "payments/get_quote" if n == 0 else f"payments/tool-{n}"
    return f'input.tool.name == "{tool}"; input.policy_target.value.amount > 1000'


def of_one_tool(n):
    return f'input.tool.name == "payments/get_quote"; input.policy_target.value.amount > {1000 + n}'


async def main():
    print(json.dumps({"many_tools_us": await median(of_many_tools), "one_tool_us": await median(of_one_tool)}))


asyncio.run(main())
