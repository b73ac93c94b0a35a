"""The registry of MCP servers."""


def test_a_registered_server_is_echoed(admin, new_name):
    name = new_name("filesystem")
    registered = admin.mcp.register_server(
        name=name, url="http://localhost:9000", capabilities=["files:read", "files:write"]
    )
    assert registered.id not in ("", "servers", "sessions", "approvals")
    assert registered.name == name
    assert registered.url == "http://localhost:9000"
    assert registered.capabilities == ["files:read", "files:write"]
    assert registered.org_id
    assert registered.created_at


def test_a_server_may_be_registered_without_capabilities(admin, new_name):
    assert admin.mcp.register_server(name=new_name("bare"), url="http://localhost:9000").id


def test_a_registered_server_is_listed_until_it_is_removed(admin, new_name):
    registered = admin.mcp.register_server(name=new_name("filesystem"), url="http://localhost:9000")
    assert registered.id in [server.id for server in admin.mcp.list_servers()]
    admin.mcp.remove_server(registered.id)
    assert registered.id not in [server.id for server in admin.mcp.list_servers()]


def test_a_registered_server_can_be_fetched_until_it_is_removed(admin, wire, new_name):
    registered = admin.mcp.register_server(name=new_name("filesystem"), url="http://localhost:9000")
    fetched = wire.get(f"/mcp/servers/{registered.id}")
    assert (fetched.status, fetched.json["name"]) == (200, registered.name)
    admin.mcp.remove_server(registered.id)
    assert wire.get(f"/mcp/servers/{registered.id}").status == 404
