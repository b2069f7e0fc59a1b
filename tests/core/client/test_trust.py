"""Certificates are loaded once, again when they change, and never cached when none were read."""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path

import pytest

from pulse_plugins.core.base.errors import CertificateError, ConnectionLostError
from pulse_plugins.core.client import trust
from pulse_plugins.core.client.trust import certificate_error, tls_context
from tests.support.certificates import certificate


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "_cached", None)


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the only certificate that the process trusts."""
    path = certificate(tmp_path).trusted
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    return path


async def test_certificates_are_loaded_once(trusted: Path) -> None:
    first = await tls_context()
    assert first.cert_store_stats()["x509_ca"] == 1
    assert await tls_context() is first
    assert first.verify_mode is ssl.CERT_REQUIRED
    assert first.check_hostname


async def test_certificates_are_loaded_again_when_the_file_changes(trusted: Path) -> None:
    first = await tls_context()
    certificate(trusted.parent)  # writes the same file anew
    os.utime(trusted, ns=(1, 1))
    second = await tls_context()
    assert second is not first
    assert await tls_context() is second


def _without_descriptors() -> ssl.SSLContext:
    """What `ssl.create_default_context` returns when it cannot open the certificate file."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def test_a_trust_store_that_could_not_be_read_is_an_error_and_is_not_cached(
    trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ssl, "create_default_context", _without_descriptors)
        with pytest.raises(ConnectionLostError) as failed:
            await tls_context()
    assert (failed.value.code, failed.value.retryable) == ("trust_store", True)
    assert (await tls_context()).cert_store_stats()["x509_ca"] == 1


async def test_a_folder_of_certificates_is_used_and_not_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL reads a folder when it needs a certificate of it, so the store is empty before."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    first = await tls_context()
    assert await tls_context() is not first


async def test_without_a_thread_the_certificates_are_loaded_all_the_same(
    trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(asyncio, "to_thread", no_thread)
    assert (await tls_context()).cert_store_stats()["x509_ca"] == 1


def test_the_error_names_the_host_and_the_reason() -> None:
    refused = ssl.SSLCertVerificationError()
    refused.verify_message = "certificate has expired\n"
    error = certificate_error("wss://api.smallest.ai/waves?secret=1", refused)
    assert isinstance(error, CertificateError)
    assert not error.retryable
    assert "api.smallest.ai cannot be verified: certificate has expired?;" in str(error)
    assert "secret" not in str(error)
