from __future__ import annotations

import pytest

from envbuild.index.http_settings import BadSetting, HttpSettings


def test_the_environment_is_read() -> None:
    settings = HttpSettings.from_environment(
        {"UV_HTTP_TIMEOUT": "7", "ENVBUILD_HTTP_TIMEOUT": "8", "UV_HTTP_RETRIES": "0"}
    )
    assert settings.timeout == 8.0
    assert settings.retries == 0
    assert HttpSettings.from_environment({"UV_HTTP_TIMEOUT": ""}) == HttpSettings()


@pytest.mark.parametrize("value", ["x", "-1", "nan", "inf"])
def test_what_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(BadSetting, match="UV_HTTP_TIMEOUT"):
        HttpSettings.from_environment({"UV_HTTP_TIMEOUT": value})
