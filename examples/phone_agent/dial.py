"""Announces a call to the agent's webhook, as Twilio does when somebody dials the number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4
from xml.etree import ElementTree

import aiohttp
from twilio.request_validator import SIGNATURE_HEADER, RequestValidator

from examples.phone_agent.settings import TwilioAccount


class CallError(RuntimeError):
    """The call could not be made, or the agent did not answer."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A call that the webhook has taken.

    Attributes:
        call: The call's id.
        url: Where the media stream goes.
        parameters: What its `start` message must hold.
    """

    call: str
    url: str
    parameters: dict[str, str]


async def announce(webhook: str) -> Announced:
    """Tell the webhook about a call, as Twilio does when somebody dials the number.

    Args:
        webhook: Such as `http://127.0.0.1:7860/twilio`.

    Raises:
        CallError: The agent refuses the call.
    """
    call = f"CA{uuid4().hex}"
    fields = {"CallSid": call, "From": "+15555550142", "To": "+15555550100"}
    headers = signed(webhook, fields)
    async with (
        aiohttp.ClientSession() as session,
        session.post(webhook, data=fields, headers=headers) as response,
    ):
        document = await response.text()
        if response.status != 200:
            raise CallError(f"the webhook answers HTTP {response.status}")
    stream = ElementTree.fromstring(document).find("./Connect/Stream")
    if stream is None:
        verb = re.search(r"<Response><(\w+)", document)
        raise CallError(f"the agent does not take the call: {verb[1] if verb else 'no verb'}")
    parameters = {each.attrib["name"]: each.attrib["value"] for each in stream.iter("Parameter")}
    return Announced(call, stream.attrib["url"], parameters)


def signed(url: str, fields: Mapping[str, str]) -> dict[str, str]:
    """The headers with which Twilio signs a request; none if the account has no token."""
    token = TwilioAccount.from_environment().auth_token
    if token is None:
        return {}
    return {SIGNATURE_HEADER: RequestValidator(token).compute_signature(url, dict(fields))}
