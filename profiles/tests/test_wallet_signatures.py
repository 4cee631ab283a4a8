import base64
import json
import os
from pathlib import Path

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from bitcoingame.local.wallet import Wallet
from profiles.errors import InvalidAddress
from profiles.sign_in.addresses import normalize_address, parse_address
from profiles.sign_in.wallet_signatures import MAX_SIGNATURE_LENGTH, verify_bip322, verify_signature

VECTORS = Path(os.environ.get("VECTORS_DIR") or settings.BASE_DIR.parent / "shared" / "vectors")
ALICE = Wallet.of("Alice")
BOB = Wallet.of("Bob")
MESSAGE = "dashboard.example wants you to sign in\n\nNonce: 1"


def published() -> list[dict]:
    """All published cases. `variant` is that of a valid case, and "error" for an invalid one."""
    found = []
    for name in ("bip322-basic-test-vectors.json", "bip322-generated-test-vectors.json"):
        path = VECTORS / name
        groups = json.loads(path.read_text()) if path.exists() else {}
        for variant in ("simple", "full", "proof_of_funds", "error"):
            for case in groups.get(variant, ()):
                signatures = case.get("bip322_signatures") or [case["signature"]]
                found += [case | {"variant": variant, "signature": signature} for signature in signatures]
    return found


CASES = published()
needs_vectors = pytest.mark.skipif(not CASES, reason=f"BIP-322's published vectors are not at {VECTORS}")


def ask(verify, case: dict) -> bool:
    return verify(address=case["address"], message=case["message"], signature=case["signature"])


@needs_vectors
def test_every_published_valid_signature_verifies() -> None:
    valid = [case for case in CASES if case["variant"] != "error"]
    assert len(valid) == 23
    assert [case for case in valid if not ask(verify_bip322, case)] == []


@needs_vectors
def test_every_published_invalid_signature_is_refused() -> None:
    invalid = [case for case in CASES if case["variant"] == "error"]
    assert len(invalid) == 36
    assert [case for case in invalid if ask(verify_bip322, case) or ask(verify_signature, case)] == []


@needs_vectors
def test_sign_in_takes_the_simple_ones_of_single_key_addresses_alone() -> None:
    taken = {(case["variant"], case["type"]) for case in CASES if ask(verify_signature, case)}
    assert taken == {("simple", "p2wpkh"), ("simple", "p2tr")}
    assert sum(ask(verify_signature, case) for case in CASES) == 7


@pytest.mark.parametrize("kind", ["p2wpkh", "p2tr"])
def test_simple_signatures_verify_with_and_without_prefix(kind: str) -> None:
    signature = ALICE.sign(MESSAGE, kind)
    address = ALICE.address(kind)
    assert signature.startswith("smp")
    assert verify_signature(address=address, message=MESSAGE, signature=signature)
    assert verify_signature(address=address, message=MESSAGE, signature=signature.removeprefix("smp"))
    assert verify_signature(address=address.upper(), message=MESSAGE, signature=f" {signature}\n")
    assert not verify_signature(address=address, message=MESSAGE + " ", signature=signature)
    assert not verify_signature(address=BOB.address(kind), message=MESSAGE, signature=signature)


@pytest.mark.parametrize("kind", ["p2pkh", "p2sh-p2wpkh"])
def test_the_full_variant_is_valid_but_does_not_sign_in(kind: str) -> None:
    signature = ALICE.sign(MESSAGE, kind)
    assert signature.startswith("ful")
    assert verify_bip322(address=ALICE.address(kind), message=MESSAGE, signature=signature)
    assert not verify_signature(address=ALICE.address(kind), message=MESSAGE, signature=signature)


@pytest.mark.parametrize("header_base", [27, 31, 35, 39])
@pytest.mark.parametrize("kind", ["p2pkh", "p2pkh-uncompressed", "p2sh-p2wpkh", "p2wpkh"])
def test_compact_signatures_verify_with_any_header(kind: str, header_base: int) -> None:
    signature = ALICE.sign_compact(MESSAGE, header_base)
    address = ALICE.address(kind)
    assert verify_signature(address=address, message=MESSAGE, signature=signature)
    assert not verify_signature(address=address, message=MESSAGE + "!", signature=signature)
    assert not verify_signature(address=BOB.address(kind), message=MESSAGE, signature=signature)


@pytest.mark.parametrize("header", [0, 26, 43, 255])
def test_compact_signatures_with_an_unknown_header_are_refused(header: int) -> None:
    raw = base64.b64decode(ALICE.sign_compact(MESSAGE))
    signature = base64.b64encode(bytes([header]) + raw[1:]).decode()
    assert not verify_signature(address=ALICE.address("p2pkh"), message=MESSAGE, signature=signature)


@pytest.mark.parametrize("kind", ["p2tr", "p2wsh"])
def test_compact_signatures_say_nothing_of_taproot_or_scripts(kind: str) -> None:
    signature = ALICE.sign_compact(MESSAGE)
    assert not verify_signature(address=ALICE.address(kind), message=MESSAGE, signature=signature)


def test_a_signature_that_is_too_long_is_refused_unread() -> None:
    signature = ALICE.sign(MESSAGE)
    padded = signature + " " * (MAX_SIGNATURE_LENGTH - len(signature))
    assert verify_signature(address=ALICE.address(), message=MESSAGE, signature=padded)
    assert not verify_signature(address=ALICE.address(), message=MESSAGE, signature=padded + " ")


SIGNATURES = [
    ALICE.sign(MESSAGE),
    ALICE.sign(MESSAGE, "p2tr"),
    ALICE.sign(MESSAGE, "p2pkh"),
    ALICE.sign_compact(MESSAGE),
]
KINDS = ["p2pkh", "p2sh-p2wpkh", "p2wpkh", "p2tr", "p2wsh"]


@st.composite
def damaged_signatures(draw: st.DrawFn) -> str:
    """A real signature of which a byte is changed, or which is cut short, or which has bytes inserted."""
    text = draw(st.sampled_from(SIGNATURES))
    prefix = text[:3] if text[:3] in ("smp", "ful") else ""
    raw = base64.b64decode(text.removeprefix(prefix))
    at = draw(st.integers(0, len(raw) - 1))
    raw = raw[:at] + draw(st.binary(max_size=3).filter(lambda put: put != raw[at : at + 1])) + raw[at + 1 :]
    return draw(st.sampled_from(["", "smp", "ful", "pof"])) + base64.b64encode(raw).decode()


@given(
    signature=st.one_of(
        st.text(),
        st.binary(max_size=200).map(lambda raw: base64.b64encode(raw).decode()),
        damaged_signatures(),
    ),
    kind=st.sampled_from(KINDS),
)
def test_no_signature_text_does_more_than_fail(signature: str, kind: str) -> None:
    assert verify_signature(address=BOB.address(kind), message=MESSAGE, signature=signature) is False
    assert verify_bip322(address=BOB.address(kind), message=MESSAGE, signature=signature) is False


@given(signature=damaged_signatures(), kind=st.sampled_from(["p2wpkh", "p2tr"]))
def test_no_damaged_signature_does_more_than_fail(signature: str, kind: str) -> None:
    assert verify_signature(address=ALICE.address(kind), message=MESSAGE + "?", signature=signature) is False


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "p2pkh"),
        ("32Utb7Seg6EXq7UesMNJXhQ1gdohYNyzQ9", "p2sh"),
        ("bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l", "p2wpkh"),
        ("bc1qp0ahvfh83088w49k405szqgg4f3pptr7p2g06tdxfjcd40z4lh4q95lsz9", "p2wsh"),
        ("bc1pcquvhrqv0q68t4m0hfq6tpn006qrskyc7yrqnp2uyrf2emg3wynsdjyk38", "p2tr"),
    ],
)
def test_addresses_keep_one_spelling(address: str, kind: str) -> None:
    assert normalize_address(address) == address
    assert parse_address(address).kind == kind
    if address.startswith("bc1"):
        assert normalize_address(address.upper()) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "bc1",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",  # checksum
        "1a1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",  # Base58 minds its case
        "bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0m",  # checksum
        "bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0L",  # mixed case
        "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",  # testnet
        "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn",  # testnet
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",  # bech32 where bech32m belongs
        "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",  # version 1, 40 bytes
        "bc1sw50qgdz25j",  # version 16
        "bc1pfeessrawgf",  # pay to anchor
        "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs",  # version 2
        " 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa\n",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa\0",
        "bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavg\u212ax0l",
        "1" * 10_000_000,
    ],
)
def test_a_text_that_is_no_mainnet_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidAddress):
        normalize_address(address)


@given(
    st.one_of(
        st.text(),
        st.text(alphabet="qpzry9x8gf2tvdw0s3jn54khce6mua7l", min_size=20, max_size=60).map("bc1{}".format),
        st.text(alphabet="123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", min_size=26, max_size=36),
    )
)
def test_no_text_breaks_the_address_check(text: str) -> None:
    with pytest.raises(InvalidAddress):
        normalize_address(text)
