"""The keys of sessions: envelopes from messages and from the table, opened with the key encryption key."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from thingbridge.aws.secrets import Secrets
from thingbridge.aws.sessions import SessionTable
from thingbridge.encryption import seals
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

    def remember(self, device: str, seen: SessionSeen) -> str | None:
        """Keep a session; a key in plain text is wrapped first.

        A key that the Join Server wrapped for this stack stays the key of its session, whatever messages come later.
        Returns why the message's key was not kept, None if it was.
        """
        envelope = seen.session.app_s_key
        if envelope is None:
            self.table.remember(device, seen)
            return None
        kept, plain = seen, not key_envelope.is_wrapped(envelope)
        if plain:
            sealed = key_envelope.wrapped(self._open(seen.session), self._key_encryption_key(), self._secret_arn)
            kept = replace(seen, session=replace(seen.session, app_s_key=sealed))
        stored = self.table.remember(device, kept, key_opens=lambda: not plain and self._opens(seen.session))
        if stored.app_s_key == kept.session.app_s_key:
            return None
        if plain:
            return "it came in plain text"
        opens = self._opens(seen.session)
        return "it is another one" if opens else "it does not open with this stack's key encryption key"

    def confirm(self, device: str, seen: SessionSeen) -> Session:
        """Write a session that the Application Server itself answered with."""
        return self.table.write(device, seen, key_opens=self._opens(seen.session))

    def _opens(self, session: Session) -> bool:
        try:
            self._open(session)
        except KeyNotReadable:
            return False
        return True

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

    def sealed(self, device: str, downlinks: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Encrypted downlinks with their seals."""
        key = seals.sealing_key(self._key_encryption_key())
        return [seals.sealed(each, device, key) for each in downlinks]

    def is_sealed(self, device: str, downlink: Mapping[str, Any]) -> bool:
        """Whether this stack has queued a downlink that was returned."""

        def with_key(*, refresh: bool) -> bool:
            return seals.is_sealed(downlink, device, seals.sealing_key(self._key_encryption_key(refresh=refresh)))

        # A rotated key encryption key is in use before the cached one expires.
        return with_key(refresh=False) or with_key(refresh=True)

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
