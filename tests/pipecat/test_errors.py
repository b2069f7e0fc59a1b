"""The categories of Pipecat for the errors of the engine."""

from __future__ import annotations

import pytest
from pipecat.utils.errors import ErrorCategory

from pulse_plugins.core.base.errors import (
    AccessDeniedError,
    AuthenticationError,
    CertificateError,
    ConfigurationError,
    ConnectTimeoutError,
    InternalError,
    PaymentRequiredError,
    PulseError,
    RateLimitError,
    RegionError,
    ServerError,
)
from pulse_plugins.pipecat.errors import category, passing_category


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (AuthenticationError, ErrorCategory.AUTHENTICATION),
        (AccessDeniedError, ErrorCategory.AUTHORIZATION),
        (PaymentRequiredError, ErrorCategory.QUOTA),
        (RegionError, ErrorCategory.INVALID_REQUEST),
        (ConfigurationError, ErrorCategory.INVALID_REQUEST),
        (RateLimitError, ErrorCategory.RATE_LIMIT),
        (ServerError, ErrorCategory.SERVER),
        (ConnectTimeoutError, ErrorCategory.CONNECTIVITY),
        (CertificateError, ErrorCategory.UNKNOWN),
        (InternalError, ErrorCategory.UNKNOWN),
    ],
)
def test_each_error_has_the_category_that_applications_look_for(
    kind: type[PulseError], wanted: ErrorCategory
) -> None:
    assert category(kind("x")) is wanted


@pytest.mark.parametrize("kind", [AuthenticationError, PaymentRequiredError, ServerError])
def test_an_error_after_which_the_service_goes_on_has_no_permanent_category(
    kind: type[PulseError],
) -> None:
    assert not passing_category(kind("x")).is_permanent
