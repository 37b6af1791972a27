"""The keys of sessions: envelopes from messages and from the table, opened with the key encryption key."""

from dataclasses import replace

from thingbridge.aws.secrets import Secrets
from thingbridge.aws.sessions import SessionTable
from thingbridge.encryption.messages import KeyOf, SessionKey
from thingbridge.encryption.sessions import Session, SessionSeen
from thingbridge.lorawan import key_envelope
from thingbridge.lorawan.key_envelope import KeyNotReadable


class SessionKeys:
    """The sessions of a stack with their keys, which are in plain text only in memory, while they are used.

    The ARN of the key encryption key's secret is the key's label as well, by which The Things Stack names it.
    """

    def __init__(self, table: SessionTable, secrets: Secrets, key_encryption_key_secret_arn: str) -> None:
        self.table = table
        self._secrets = secrets
        self._secret_arn = key_encryption_key_secret_arn

    def remember(self, device: str, seen: SessionSeen) -> None:
        """Keep a session; a key in plain text is wrapped first."""
        envelope = seen.session.app_s_key
        if envelope is not None and not key_envelope.is_wrapped(envelope):
            sealed = key_envelope.wrapped(self._open(seen.session), self._key_encryption_key(), self._secret_arn)
            seen = replace(seen, session=replace(seen.session, app_s_key=sealed))
        self.table.remember(device, seen)

    def of(self, session: Session) -> SessionKey | None:
        """The key of a session; None for a session that The Things Stack encrypts itself. Raises KeyNotReadable."""
        if session.app_s_key is None:
            return None
        return SessionKey(session.session_key_id, session.dev_addr, self._open(session))

    def key_of(self, device: str) -> KeyOf:
        """The key of a device's session by its id: from memory, or else by one read of the table."""

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
            # A rotated key encryption key is in use before the cached one expires.
            return key_envelope.app_s_key(envelope, lambda label: known(label, refresh=True))

    def _key_encryption_key(self, *, refresh: bool = False) -> bytes:
        return bytes.fromhex(self._secrets.read(self._secret_arn, refresh=refresh))
