"""The settings of `ringback serve`: read from the environment and a file, each wrong one named."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ringback.broker.settings import DEVELOPMENT_TENANTS
from ringback.cli.commands import ringback
from ringback.cli.configuration import SettingWrong, read_settings, short, unknown
from ringback.cli.setting_list import SETTINGS
from ringback.cli.settings_page import page

TOKEN, CURRENT, NEXT = "a-token-of-a-test", "sig_current_of_a_test", "sig_next_of_a_test"
SECRETS = {"QSTASH_TOKEN": TOKEN, "QSTASH_CURRENT_SIGNING_KEY": CURRENT, "QSTASH_NEXT_SIGNING_KEY": NEXT}
OTHERS = 'token = "another-token-of-it"\ncurrent = "sig_current_of_another"\nnext = "sig_next_of_another"\n'
PUBLIC = DEVELOPMENT_TENANTS[1].token
ROOT = Path(__file__).parents[2]


def test_secrets_are_enough_and_nothing_private_is_called() -> None:
    settings = read_settings(SECRETS)
    (tenant,) = settings.tenants
    assert (tenant.name, tenant.token, tenant.keys.current, tenant.read_only_token) == ("default", TOKEN, CURRENT, None)
    assert not settings.destinations.allow_private
    assert (settings.host, settings.port, settings.limits.default_retries) == ("127.0.0.1", 8080, 3)


def test_a_token_with_a_user_names_the_account() -> None:
    made = CliRunner().invoke(ringback, ["secrets", "--user", "shop"])
    environment = dict(line.split("=", 1) for line in made.output.splitlines())
    assert read_settings(environment).tenants[0].name == "shop"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "ringback.toml"
    file.write_text('port = 1\nmax_delay = "2d"\nallowed_hosts = ["a", "B"]\nqstash_token = "file"\n')
    settings = read_settings(SECRETS | {"RINGBACK_PORT": "2"}, file)
    assert (settings.port, settings.limits.delay_ms, settings.tenants[0].token) == (2, 172_800_000, TOKEN)
    assert settings.destinations.allowed_hosts == {"a", "b"}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"QSTASH_TOKEN": ""}, "QSTASH_TOKEN is not set"),
        ({"RINGBACK_PORT": "http"}, "RINGBACK_PORT is 'http': expected a whole number"),
        ({"RINGBACK_ALLOW_PRIVATE": "maybe"}, "RINGBACK_ALLOW_PRIVATE is 'maybe': expected true or false"),
        ({"RINGBACK_MAX_DELAY": "7"}, "RINGBACK_MAX_DELAY is '7': expected a duration"),
        ({"RINGBACK_ALLOWED_NETWORKS": "10.0.0.1/8"}, "RINGBACK_ALLOWED_NETWORKS"),
        ({"QSTASH_CURRENT_SIGNING_KEY": "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r"}, "public development secret"),
        ({"RINGBACK_READ_ONLY_TOKEN": TOKEN}, "RINGBACK_READ_ONLY_TOKEN is the same as QSTASH_TOKEN"),
        ({"QSTASH_NEXT_SIGNING_KEY": CURRENT}, "QSTASH_NEXT_SIGNING_KEY is the same as QSTASH_CURRENT_SIGNING_KEY"),
        ({"QSTASH_TOKEN": "blank-at-its-end "}, "QSTASH_TOKEN is not what it should be: expected ASCII characters"),
        ({"QSTASH_CURRENT_SIGNING_KEY": f"{CURRENT}\n"}, "QSTASH_CURRENT_SIGNING_KEY .* no white space"),
        ({"RINGBACK_PUBLISH_ONLY_TOKEN": " "}, "RINGBACK_PUBLISH_ONLY_TOKEN is not"),
        ({"RINGBACK_PORT": "70000"}, "expected a port, 0 to 65535"),
        ({"RINGBACK_IN_FLIGHT": "0"}, "RINGBACK_IN_FLIGHT is '0': expected a whole number, 1 or more"),
        ({"RINGBACK_LLM_URL": "llm.internal"}, "begins with http"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, str], text: str) -> None:
    with pytest.raises(SettingWrong, match=text.replace("(", r"\(")):
        read_settings(SECRETS | change)


def test_a_service_of_that_name_in_kubernetes_is_no_setting_and_a_misspelt_one_is_told() -> None:
    links = {"RINGBACK_PORT": "tcp://10.3.0.7:80", "RINGBACK_PORT_80_TCP": "x", "RINGBACK_SERVICE_HOST": "10.3.0.7"}
    assert read_settings(SECRETS | links).port == 8080
    assert unknown(links | {"RINGBACK_ALLOWED_NETWORK": "10.0.0.0/8", "RINGBACK_Q": ""}) == [
        "RINGBACK_ALLOWED_NETWORK is no setting; RINGBACK_ALLOWED_NETWORKS is one",
        "RINGBACK_Q is no setting",
    ]


def test_a_wrong_secret_is_not_shown() -> None:
    with pytest.raises(SettingWrong) as told:
        read_settings(SECRETS | {"QSTASH_TOKEN": " of-three-words"})
    assert "three" not in str(told.value)


def test_a_secret_that_may_be_guessed_is_told_and_not_shown() -> None:
    assert short(read_settings(SECRETS)) == []
    for name in ("QSTASH_TOKEN", "QSTASH_NEXT_SIGNING_KEY", "RINGBACK_READ_ONLY_TOKEN"):
        (sentence,) = short(read_settings(SECRETS | {name: "fifteen-letters"}))
        assert sentence.startswith("a token or a signing key of 'default' has less than 16 characters")


def test_no_message_gets_more_retries_than_there_may_be() -> None:
    assert read_settings(SECRETS | {"RINGBACK_MAX_RETRIES": "2"}).limits.default_retries == 2


def test_an_address_that_is_taken_is_told_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = [sys.executable, "-m", "ringback", "dev", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "perhaps by another broker" in done.stderr) == (1, True)


def test_a_database_in_a_folder_that_is_missing_is_refused_and_no_folder_made(tmp_path: Path) -> None:
    file = tmp_path / "a typo" / "ringback.db"
    result = CliRunner(env=SECRETS).invoke(ringback, ["serve", "--db", str(file)])
    assert result.exit_code == 1
    assert (
        f"there is no {file.parent}; correct the path, or make the folder with: mkdir -p '{file.parent}'"
        in result.output
    )
    assert not file.parent.exists()


def test_a_new_database_is_told_and_one_that_is_there_is_not(tmp_path: Path) -> None:
    environment = {**os.environ, **SECRETS, "PYTHONUNBUFFERED": "1"}
    line = [sys.executable, "-m", "ringback", "serve", "--port", "0", "--db", str(tmp_path / "ringback.db")]
    told = []
    for _ in range(2):
        with subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        ) as broker:
            assert broker.stdout is not None
            assert any(output.startswith("QSTASH_URL") for output in broker.stdout)
            broker.terminate()
            told.append("a new, empty database is made" in broker.communicate(timeout=30)[1])
    assert told == [True, False]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("prot = 1", "unknown setting 'prot'"),
        ("port =", "cannot read"),
        ('users = "x"', "expected a list of tables"),
        ('[[users]]\nname = "b"', "users\\[0\\]: .* current, next, token"),
        (f'[[users]]\nname = "default"\n{OTHERS}', "names must differ"),
        (f'[[users]]\nname = "b"\n{OTHERS}read_only_token = "{TOKEN}"', "read_only_token is the same as QSTASH_TOKEN"),
        (f'[[users]]\nname = "b"\n{OTHERS}read_only_token = " a-b"', "users\\[0\\].read_only_token is not what"),
        (f'[[users]]\nname = "b"\n{OTHERS}publish_only_token = "{PUBLIC}"', "public development secret"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, content: str, text: str) -> None:
    file = tmp_path / "ringback.toml"
    file.write_text(content)
    with pytest.raises(SettingWrong, match=text):
        read_settings(SECRETS, file)


def test_several_accounts_share_a_server(tmp_path: Path) -> None:
    file = tmp_path / "ringback.toml"
    file.write_text(f'[[users]]\nname = "b"\n{OTHERS}read_only_token = "a-reader-of-another"\n')
    assert [tenant.name for tenant in read_settings(SECRETS, file).tenants] == ["default", "b"]


def test_the_reference_page_is_made_from_the_settings() -> None:
    assert (ROOT / "docs" / "reference" / "settings.md").read_text() == page()
    assert all(setting.about.endswith(".") for setting in SETTINGS)


def test_errors_of_the_command_tell_the_remedy() -> None:
    result = CliRunner(env=dict.fromkeys(SECRETS, "")).invoke(ringback, ["serve"])
    assert result.exit_code == 1
    assert "ringback secrets" in result.output
