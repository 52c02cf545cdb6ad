"""What tells bank accounts apart: equal for one account, of use to nobody without the key ring."""

from connector.adapters.vault import Fingerprints
from connector.domain.ports.vault import KeyRing

IBAN = "NL91ABNA0417164300"
OLD, NEW = bytes(range(32)), bytes(range(32, 64))
BEFORE = KeyRing("2026-01", {"2026-01": OLD})
ROTATING = KeyRing("2026-11", {"2026-11": NEW, "2026-01": OLD})
AFTER = KeyRing("2026-11", {"2026-11": NEW}, frozenset({"2026-01"}))


def of(ring: KeyRing, tenant: str = "acme") -> Fingerprints:
    return Fingerprints(tenant, lambda: ring)


def test_an_account_has_one_fingerprint_however_it_is_written() -> None:
    made = of(BEFORE).of(IBAN)
    assert {of(BEFORE).of(written) for written in ("nl91 abna 0417 1643 00", "NL91-ABNA.0417164300 ")} == {made}
    assert (made.last4, IBAN in made.hash, made.hash.startswith("2026-01:")) == ("4300", False, True)
    assert of(BEFORE).of("NL02ABNA0123454300").hash != made.hash


def test_tenants_and_keys_share_no_hashes() -> None:
    assert of(BEFORE).of(IBAN).hash != of(BEFORE, "globex").of(IBAN).hash
    hashes = of(ROTATING).every(IBAN)
    assert len({hash.rpartition(":")[2] for hash in hashes}) == 2


def test_of_a_short_account_nothing_is_shown() -> None:
    assert of(BEFORE).of("12345").last4 == ""


def test_a_rotation_keeps_fingerprints_until_the_old_key_is_taken_away_and_then_says_so() -> None:
    made = of(BEFORE).of(IBAN)
    assert of(ROTATING).of(IBAN) == made
    assert of(AFTER).of(IBAN).hash in of(ROTATING).every(IBAN)
    assert of(ROTATING).made_here(made.hash)
    assert not of(AFTER).made_here(made.hash)
