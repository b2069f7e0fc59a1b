"""The TLS context that verifies servers, made once and renewed when the certificates change.

Loading the certificates of the system takes milliseconds, which a live call does not have.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from threading import Lock
from typing import TypeAlias
from urllib.parse import urlsplit

from pulse_plugins.core.base.errors import CertificateError, ConnectionLostError
from pulse_plugins.core.base.text import printable

_Files: TypeAlias = tuple[tuple[str, int, int], ...]

_lock = Lock()
_cached: tuple[_Files, ssl.SSLContext] | None = None


async def tls_context() -> ssl.SSLContext:
    """Get a context that trusts the certificates of the system.

    Raises:
        ConnectionLostError: The certificates cannot be read at the moment.
    """
    try:
        return await asyncio.to_thread(_context)
    except RuntimeError:  # no thread can be started
        return _context()


def certificate_error(url: str, error: Exception) -> CertificateError:
    """The error for a server whose certificate was refused.

    Args:
        url: The URL that was called; the text names its host.
        error: An `ssl.SSLCertVerificationError`, which holds the reason that OpenSSL gives.
    """
    host, reason = urlsplit(url).hostname, str(getattr(error, "verify_message", ""))
    return CertificateError(
        f"the certificate of {host} cannot be verified: {printable(reason, 200)}; "
        "if the server has a certificate of your own, set SSL_CERT_FILE to its authority"
    )


def _context() -> ssl.SSLContext:
    """Make a context, or return the cached one if the certificate files are as they were."""
    global _cached
    with _lock:
        files = _files()
        if _cached is not None and _cached[0] == files:
            return _cached[1]
        context = ssl.create_default_context()
        # OpenSSL reports nothing when it cannot read the certificates, for instance because the
        # process has no file descriptor left. Such a context would refuse every server.
        if context.cert_store_stats()["x509_ca"]:
            _cached = (files, context)
        elif ssl.get_default_verify_paths().cafile is not None:
            raise ConnectionLostError(
                "the certificates of the system cannot be read", code="trust_store"
            )
        return context


def _files() -> _Files:
    """The files and folders of the certificates, with their sizes and times of change."""
    paths = ssl.get_default_verify_paths()
    found = []
    for path in (paths.cafile, paths.capath):
        if path is not None:
            status = os.stat(path)
            found.append((path, status.st_mtime_ns, status.st_size))
    return tuple(found)
