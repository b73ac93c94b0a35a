"""Speaks HTTP to the server without an SDK, byte for byte as a test spells it.

For the management calls the SDKs lack, and for requests the SDKs of other languages send.
"""

import http.client
import json
from dataclasses import dataclass
from typing import Any, Optional
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Wire:
    def __init__(self, url: str, key: Optional[str]):
        self._address = urlsplit(url).netloc
        self._key = key

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def post(self, path: str, body: Any) -> Answer:
        return self.send("POST", path, json.dumps(body).encode())

    def put(self, path: str, body: Any) -> Answer:
        return self.send("PUT", path, json.dumps(body).encode())

    def delete(self, path: str) -> Answer:
        return self.send("DELETE", path)

    def send(self, method: str, path: str, body: Optional[bytes] = None) -> Answer:
        """With `body=None` neither a body nor a `Content-Length` goes out; with `b""` the length is 0."""
        connection = http.client.HTTPConnection(self._address, timeout=TIMEOUT_SECONDS)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            connection.putheader("Content-Type", "application/json")
            if self._key is not None:
                connection.putheader("X-API-Key", self._key)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())
        finally:
            connection.close()
