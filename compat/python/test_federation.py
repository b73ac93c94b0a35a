"""The registry of trusted OIDC issuers."""

ISSUER = "https://issuer.example.invalid"


def test_a_registered_provider_is_echoed(admin, new_name):
    name = new_name("issuer")
    provider = admin.federation.register_provider(f"{ISSUER}/{name}", name, trust_level="high")
    assert provider.id
    assert provider.org_id
    assert provider.issuer == f"{ISSUER}/{name}"
    assert provider.name == name
    assert provider.trust_level == "high"
    assert provider.status == "active"
    assert provider.created_at


def test_a_provider_is_trusted_as_standard_unless_told_otherwise(admin, new_name):
    name = new_name("issuer")
    assert admin.federation.register_provider(f"{ISSUER}/{name}", name).trust_level == "standard"


def test_a_provider_is_listed_until_it_is_deleted(admin, new_name):
    name = new_name("issuer")
    provider = admin.federation.register_provider(f"{ISSUER}/{name}", name)
    assert provider.id in [listed.id for listed in admin.federation.list_providers()]
    admin.federation.delete_provider(provider.id)
    assert provider.id not in [listed.id for listed in admin.federation.list_providers()]
