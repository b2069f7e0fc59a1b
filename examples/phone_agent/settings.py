"""The settings of the phone agent that come from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit


def setting(name: str) -> str | None:
    """The value of an environment variable; None if it is unset, empty or blank.

    A compose file passes a variable that its user has not set as an empty string. That must mean
    the same as an unset variable, or the agent would call a service with an empty key.
    """
    return os.environ.get(name, "").strip() or None


class SettingError(RuntimeError):
    """An environment variable is missing or has a value that cannot be used."""


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """What the agent knows of its Twilio account.

    Attributes:
        auth_token: Signs requests with HMAC-SHA1, and hangs calls up through the REST API.
        shared_key: Signs requests with HMAC-SHA256, if a webhooks rule of the account says so.
        account_sid: Names the account in the REST API.
    """

    auth_token: str | None = field(default=None, repr=False)
    shared_key: str | None = field(default=None, repr=False)
    account_sid: str | None = None

    @classmethod
    def from_environment(cls) -> TwilioAccount:
        """Read `TWILIO_AUTH_TOKEN`, `TWILIO_SHARED_KEY_SECRET` and `TWILIO_ACCOUNT_SID`."""
        return cls(
            setting("TWILIO_AUTH_TOKEN"),
            setting("TWILIO_SHARED_KEY_SECRET"),
            setting("TWILIO_ACCOUNT_SID"),
        )

    @property
    def signs(self) -> bool:
        """Whether a signature can be checked. If not, the agent accepts unsigned requests."""
        return self.auth_token is not None or self.shared_key is not None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname)
    except ValueError:
        return False


def check_exposure(host: str) -> None:
    """Refuse to be reached from beyond this machine without the settings that this needs.

    An agent on loopback is reached from beyond it too, if a proxy stands before it. `PUBLIC_URL`
    says so.

    Args:
        host: The address to listen on.

    Raises:
        SettingError: A setting is missing or wrong. The text says which one, and what to do.
    """
    public = setting("PUBLIC_URL")
    if public is not None and not _is_https(public):
        raise SettingError(
            f"PUBLIC_URL is {public!r}. Set the HTTPS URL at which Twilio and browsers reach the "
            "agent, such as https://agent.example."
        )
    signs = TwilioAccount.from_environment().signs
    if is_loopback(host):
        if public is not None and not signs:
            raise SettingError(
                "The agent does not start with PUBLIC_URL and without TWILIO_AUTH_TOKEN: everybody "
                "who can reach that URL could call it. Set the token of your Twilio account, or "
                "leave PUBLIC_URL unset."
            )
        return
    if not signs:
        raise SettingError(
            f"The agent does not listen on {host} without TWILIO_AUTH_TOKEN: everybody who can "
            "reach that address could call it. Set the token of your Twilio account, or listen on "
            "127.0.0.1."
        )
    if public is None:
        raise SettingError(
            f"The agent does not listen on {host} without PUBLIC_URL. Set the HTTPS URL at which "
            "Twilio and browsers reach it, such as https://agent.example."
        )


def allowed_hosts(host: str) -> list[str]:
    """The values of a request's `Host` header that the web server answers to, without ports.

    A page that rebinds its own name to a loopback address sends its own name, and is refused.

    Args:
        host: The address that the server listens on.
    """
    public = urlsplit(setting("PUBLIC_URL") or "").hostname
    return [name for name in ("localhost", "127.0.0.1", "[::1]", host, public) if name]
