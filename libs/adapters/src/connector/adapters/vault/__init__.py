"""The vault and its key rings."""

from connector.adapters.vault.fingerprints import Fingerprint, Fingerprints
from connector.adapters.vault.keys import EnvironmentKeys, FileKeys, MountedKeys, key_provider
from connector.adapters.vault.vault import RotationProgress, Secrets, Vault, rotate

__all__ = [
    "EnvironmentKeys",
    "FileKeys",
    "Fingerprint",
    "Fingerprints",
    "MountedKeys",
    "RotationProgress",
    "Secrets",
    "Vault",
    "key_provider",
    "rotate",
]
