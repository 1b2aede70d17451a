from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import truststore

from envbuild.index.authorities import Authorities
from envbuild.index.http_settings import HttpSettings
from support.index_server import Certificate, make_certificate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def test_authorities_are_read_once(certificate: Certificate) -> None:
    authorities = Authorities(HttpSettings(authorities_file=certificate.authority))
    context = authorities.context("known")
    assert context is authorities.context("known")
    assert len(context.get_ca_certs()) == 1
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_proxies_have_a_context_of_their_own(certificate: Certificate) -> None:
    authorities = Authorities(HttpSettings(authorities_file=certificate.authority))
    context = authorities.context("proxy")
    assert context is not authorities.context("known")
    assert context.get_ca_certs() == authorities.context("known").get_ca_certs()


def test_any_certificate_will_do_where_that_is_asked(certificate: Certificate) -> None:
    context = Authorities(HttpSettings(authorities_file=certificate.authority)).context("any")
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


class TestTheSystems:
    """OpenSSL looks where these variables say, instead of where it was built to look."""

    def test_are_found_by_openssl(
        self, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", certificate.authority)
        authorities = Authorities(HttpSettings())
        context = authorities.context("known")
        assert context is authorities.context("known")
        assert len(context.get_ca_certs()) == 1
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)

    def test_may_be_a_hashed_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "0a1b2c3d.0").touch()
        monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
        assert type(Authorities(HttpSettings()).context("known")) is ssl.SSLContext

    def test_are_sought_elsewhere_if_need_be(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "README").touch()
        monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
        authorities = Authorities(HttpSettings())
        context = authorities.context("known")
        assert isinstance(context, truststore.SSLContext)
        assert authorities.context("known") is not context
        assert type(authorities.context("any")) is ssl.SSLContext
