"""Signatures of messages by Bitcoin wallets, by BIP-322 or in the older compact form."""

from hashlib import sha256

from btclib.ecc import bms
from btclib.hashes import hash160, magic_message
from btclib_wallet import bip322
from ecc.ecc import dsa

from profiles.sign_in.addresses import Address, AddressKind, parse_address

# A P2WPKH signature has about 150 characters, one by a taproot script path a few hundred.
MAX_SIGNATURE_LENGTH = 1024

SIGN_IN_KINDS: frozenset[AddressKind] = frozenset(("p2pkh", "p2sh", "p2wpkh", "p2tr"))
_SIMPLE_KINDS = frozenset(("p2wpkh", "p2tr"))
_COMPACT_KINDS = frozenset(("p2pkh", "p2sh", "p2wpkh"))
_REFUSED_VARIANTS = (bip322.FULL, bip322.PROOF_OF_FUNDS)
_FIRST_HEADER = 27


def verify_signature(*, address: str, message: str, signature: str) -> bool:
    """Whether the wallet of `address` signed `message` in a way that signs people in.

    P2WPKH and P2TR: BIP-322 simple, with or without `smp`. P2PKH, P2SH-P2WPKH and P2WPKH: the compact 65 bytes in
    base64. False for anything else; no text of a signature raises an error. Raises InvalidAddress.
    """
    owner = parse_address(address)
    text = signature.strip()
    if owner.kind not in SIGN_IN_KINDS or len(signature) > MAX_SIGNATURE_LENGTH or text.startswith(_REFUSED_VARIANTS):
        return False
    if owner.kind in _SIMPLE_KINDS and verify_bip322(address=owner.text, message=message, signature=text):
        return True
    return owner.kind in _COMPACT_KINDS and _verify_compact(owner, message, text)


def verify_bip322(*, address: str, message: str, signature: str) -> bool:
    """Whether `signature` is valid in any variant of BIP-322. Sign-in accepts fewer: see verify_signature."""
    try:
        return bip322.verify(message.encode(), address, signature)
    except Exception:
        # The bytes may be hostile and the parser is not ours. Whatever it raises, the signature did not verify.
        return False


def _verify_compact(owner: Address, message: str, text: str) -> bool:
    """Recovers the public key from the signature, and asks whether the address is one of that key.

    Only the recovery id of the header byte is used, because wallets disagree on the rest of it.
    """
    try:
        signature = bms.Sig.b64decode(text)
        keys = [_recover_key(signature, message, compressed=compressed) for compressed in (True, False)]
    except Exception:
        return False
    return _is_owned(owner, *keys)


def _recover_key(signature: bms.Sig, message: str, *, compressed: bool) -> bytes:
    recovery_id = (signature.rf - _FIRST_HEADER) & 3
    digest = magic_message(message.encode())
    return dsa.recover_sec(recovery_id, digest, signature.dsa_sig, sha256, compressed=compressed)


def _is_owned(owner: Address, compressed: bytes, uncompressed: bytes) -> bool:
    match owner.kind:
        case "p2pkh":
            return owner.payload in (hash160(compressed), hash160(uncompressed))
        case "p2sh":
            return owner.payload == hash160(b"\x00\x14" + hash160(compressed))
        case _:
            return owner.payload == hash160(compressed)
