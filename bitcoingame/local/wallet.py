"""A wallet for development: one key, its address of each kind, and the two ways it signs."""

from dataclasses import dataclass
from hashlib import sha256

from btclib import b32, b58
from btclib.ecc import bms
from btclib.key import PrvKeyData, PubKeyData
from btclib.script.taproot import output_pubkey
from btclib_wallet import bip322
from ecc.curves import bytes_from_prv_key_int


@dataclass(frozen=True)
class Wallet:
    secret: int

    @classmethod
    def of(cls, name: str) -> "Wallet":
        """The same wallet for the same name, in every run."""
        return cls(int.from_bytes(sha256(name.encode()).digest(), "big") >> 1 | 1)

    def address(self, kind: str = "p2wpkh") -> str:
        match kind:
            case "p2pkh":
                return b58.p2pkh(self._public())
            case "p2pkh-uncompressed":
                return b58.p2pkh(self._public(compressed=False))
            case "p2sh-p2wpkh":
                return b58.p2wpkh_p2sh(self._public())
            case "p2wsh":
                return b32.p2wsh(b"\x21" + self._public().sec + b"\xac")
            case "p2tr":
                return b32.p2tr(output_pubkey(self._public())[0])
        return b32.p2wpkh(self._public())

    def sign(self, message: str, kind: str = "p2wpkh") -> str:
        """BIP-322: simple for P2WPKH and P2TR, full for the others."""
        return bip322.sign(message.encode(), self._private(), self.address(kind)).b64encode()

    def sign_compact(self, message: str, header_base: int = 31) -> str:
        """The 65-byte signature; header_base 27, 31, 35 or 39 is what the wallet claims the address to be."""
        signature = bms.sign(message.encode(), self._private())
        header = header_base + (signature.rf - 27) % 4
        return bms.Sig(header, signature.dsa_sig).b64encode()

    def _private(self) -> PrvKeyData:
        return PrvKeyData(self.secret, "mainnet", True)

    def _public(self, *, compressed: bool = True) -> PubKeyData:
        return PubKeyData(bytes_from_prv_key_int(self.secret, compressed=compressed), "mainnet")
