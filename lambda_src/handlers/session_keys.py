"""The keys of sessions: envelopes from messages and from the table, opened with the key encryption key's secret.

Imported by functions only under end-to-end encryption, as `cryptography` comes in a layer of its own.
"""

from dataclasses import replace
from functools import cache

from thingbridge.aws_iot.secrets import secret
from thingbridge.aws_iot.sessions import SessionTable
from thingbridge.lorawan import key_envelope
from thingbridge.lorawan.key_envelope import KeyNotReadable
from thingbridge.messaging.encryption import KeyOf, SessionKey
from thingbridge.messaging.sessions import Session, SessionSeen
from thingbridge.settings import EncryptionSettings


@cache
def session_keys(settings: EncryptionSettings) -> "SessionKeys":
    """The keys of a stack's sessions: one object for the life of the sandbox, as it remembers."""
    return SessionKeys(settings)


class SessionKeys:
    """The sessions of a stack with their keys, which are in the clear in memory alone, while they are used."""

    def __init__(self, settings: EncryptionSettings) -> None:
        self.table = SessionTable(settings.sessions_table)
        self._secret_arn = settings.key_encryption_key_secret_arn

    def remember(self, device: str, seen: SessionSeen) -> None:
        """Keep a session; its key is wrapped first should it have come in the clear."""
        envelope = seen.session.app_s_key
        if envelope is not None and not key_envelope.is_wrapped(envelope):
            sealed = key_envelope.wrapped(self._open(seen.session), self._key_encryption_key(), self._secret_arn)
            seen = replace(seen, session=replace(seen.session, app_s_key=sealed))
        self.table.remember(device, seen)

    def of(self, session: Session) -> SessionKey | None:
        """The key of a session; None for one that The Things Stack encrypts itself. Raises KeyNotReadable."""
        if session.app_s_key is None:
            return None
        return SessionKey(session.session_key_id, session.dev_addr, self._open(session))

    def key_of(self, device: str) -> KeyOf:
        """The key of a device's session by its id: from memory, else by one read of the table."""

        def found(session_key_id: str) -> SessionKey | None:
            session = self.table.known(device, session_key_id) if session_key_id else None
            return self.of(session) if session else None

        return found

    def _open(self, session: Session) -> bytes:
        def known(label: str, *, refresh: bool = False) -> bytes | None:
            return self._key_encryption_key(refresh=refresh) if label == self._secret_arn else None

        envelope = session.app_s_key or {}
        try:
            return key_envelope.app_s_key(envelope, known)
        except KeyNotReadable:
            if envelope.get("kek_label") != self._secret_arn:
                raise
            # A key encryption key that was drawn anew is in use before the one in memory is forgotten.
            return key_envelope.app_s_key(envelope, lambda label: known(label, refresh=True))

    def _key_encryption_key(self, *, refresh: bool = False) -> bytes:
        return bytes.fromhex(secret(self._secret_arn, refresh=refresh))
