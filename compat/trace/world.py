"""Agents that do things in sessions, and the records those sessions leave."""

import itertools
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from serving import ADMIN_KEY, Serving
from wire import Wire


@dataclass(frozen=True)
class Closed:
    """A session that was closed, and what the server says of it."""

    world: "World"
    id: str

    def part(self, name: str) -> str:
        """`/trace` with something after it, as text."""
        answer = self.world.wire.get(f"/api/v1/sessions/{self.id}/trace{name}")
        assert answer.status == 200, answer.text
        return answer.text

    @cached_property
    def record(self) -> dict[str, Any]:
        return json.loads(self.part(""))

    def entries(self) -> list[dict[str, Any]]:
        """Every entry of the session's chain, page by page."""
        found, cursor = [], ""
        while True:
            path = f"/api/v1/accountability/entries?session={self.id}&limit=2{cursor}"
            answer = self.world.wire.get(path)
            assert answer.status == 200, answer.text
            found.extend(proven["entry"] for proven in answer.json["entries"])
            if answer.json.get("next") is None:
                return found
            cursor = f"&from={answer.json['next']}"


class World:
    def __init__(self, serving: Serving):
        self.serving = serving
        self.wire = Wire(serving.url, ADMIN_KEY)
        self._number = itertools.count(1)

    def _made(self, path: str, body: Any) -> Any:
        answer = self.wire.post(path, body)
        assert answer.status in (200, 201), answer.text
        return answer.json

    @property
    def jwk(self) -> dict[str, str]:
        return Wire(self.serving.url, None).get("/trace/jwk").json

    def agent(self, **more) -> str:
        body = {"name": f"agent-{next(self._number)}", "capabilities": ["*"], **more}
        return self._made("/api/v1/agents", body)["id"]

    def session(self, agent: str) -> str:
        body = {"name": f"server-{next(self._number)}", "url": "http://localhost:9000", "capabilities": ["*"]}
        server = self._made("/mcp/servers", body)["id"]
        return self._made("/mcp/sessions/init", {"agent_id": agent, "server_id": server})["session_id"]

    def lend(self, lender: str, borrower: str) -> tuple[str, str]:
        """Lends everything; the delegation, and a session started from it."""
        body = {"from_agent_id": lender, "to_agent_id": borrower, "scope": ["*"]}
        lent = self._made("/api/v1/delegations", body)["delegation"]["id"]
        return lent, self._made(f"/api/v1/delegations/{lent}/session", {})["session_id"]

    def ask(self, agent: str, session: str, tool: str) -> dict[str, Any]:
        body = {"agent_id": agent, "session_id": session, "action_name": tool, "action_source": "mcp"}
        return self._made("/api/v1/agenttrust/check", body)

    def close(self, session: str, **closing) -> Closed:
        self._made(f"/api/v1/sessions/{session}/close", closing)
        return Closed(self, session)

    def closed(self, tools=("read_file", "delete_file", "list_users"), agent=None, **closing) -> Closed:
        """A session in which an agent asked for `tools`, and which was then closed."""
        agent = agent or self.agent()
        session = self.session(agent)
        for tool in tools:
            self.ask(agent, session, tool)
        return self.close(session, **closing)
