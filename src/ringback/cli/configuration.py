"""The settings of `ringback serve`, read from the environment or a TOML file and checked at start."""

import base64
import json
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ringback.broker.records import SigningKeys
from ringback.broker.settings import DEVELOPMENT_TENANTS, Limits, Settings, Tenant
from ringback.cli.setting_list import SETTINGS, Setting
from ringback.cli.setting_texts import encryption_keys, optional_secret, secret
from ringback.errors import RingbackError
from ringback.wire.guard import Policy

_SHORTEST_NODE_TIMEOUT = 1000
_OTHERS = ("RINGBACK_CONSOLE_SECRET", "RINGBACK_SIMULATED_URL")
"""Variables that are no settings of a broker."""
_OF_A_SERVICE = ("RINGBACK_SERVICE_", "RINGBACK_PORT_")
"""How variables begin that Kubernetes gives to what runs beside a service named `ringback`."""
_NOT_SHOWN = (encryption_keys, optional_secret, secret)
"""What reads secrets: an error must not show them."""
_SHORTEST_SECRET = 16
_SECRETS = tuple(setting.name for setting in SETTINGS if setting.read in (optional_secret, secret))


class SettingWrong(RingbackError):
    """A setting is missing or not what it should be; the text names it and says what was expected."""


def read_settings(environment: Mapping[str, str], file: Path | None = None) -> Settings:
    """Return the settings of a production broker; the environment wins over the file.

    Args:
        environment: variables.
        file: a TOML file with the same settings, or none.

    Raises:
        SettingWrong: one is missing, unknown, or not what it should be.
    """
    told = _of_file(file) if file else {}
    users = told.pop("users", [])
    others = _users(users)
    texts = _texts(told, file)
    texts |= {setting.name: environment[setting.name] for setting in SETTINGS if setting.name in environment}
    if texts.get("RINGBACK_PORT", "").startswith("tcp://"):  # the address of a service of that name, from Kubernetes
        del texts["RINGBACK_PORT"]
    value = {setting.name: _value(setting, texts.get(setting.name)) for setting in SETTINGS}
    _check({name: value[name] for name in _SECRETS if value[name]} | _secrets_of(users))
    name = _user_id(value["QSTASH_TOKEN"])
    keys = SigningKeys(name, value["QSTASH_CURRENT_SIGNING_KEY"], value["QSTASH_NEXT_SIGNING_KEY"])
    return Settings(
        host=value["RINGBACK_HOST"],
        port=value["RINGBACK_PORT"],
        database=value["RINGBACK_DATABASE"],
        tenants=_distinct(
            Tenant(
                name,
                value["QSTASH_TOKEN"],
                keys,
                value["RINGBACK_READ_ONLY_TOKEN"] or None,
                publish_only_token=value["RINGBACK_PUBLISH_ONLY_TOKEN"] or None,
            ),
            *others,
        ),
        limits=_limits(value),
        destinations=Policy(
            value["RINGBACK_ALLOW_PRIVATE"],
            frozenset(host.lower() for host in value["RINGBACK_ALLOWED_HOSTS"]),
            value["RINGBACK_ALLOWED_NETWORKS"],
            value["RINGBACK_DENIED_NETWORKS"],
        ),
        trusted_proxies=value["RINGBACK_TRUSTED_PROXIES"],
        llm_url=value["RINGBACK_LLM_URL"],
        email_url=value["RINGBACK_EMAIL_URL"],
        in_flight=value["RINGBACK_IN_FLIGHT"],
        console=value["RINGBACK_CONSOLE"],
        in_flight_per_host=value["RINGBACK_IN_FLIGHT_PER_HOST"],
        in_flight_bytes=value["RINGBACK_IN_FLIGHT_BYTES"],
        node_timeout_ms=max(_SHORTEST_NODE_TIMEOUT, value["RINGBACK_NODE_TIMEOUT"]),
        encryption_keys=value["RINGBACK_ENCRYPTION_KEYS"],
        log_level=value["RINGBACK_LOG_LEVEL"],
        log_format=value["RINGBACK_LOG_FORMAT"],
    )


def unknown(environment: Mapping[str, str]) -> list[str]:
    """Return a sentence for each variable that looks like a setting and is none, with what was probably meant."""
    known = [setting.name for setting in SETTINGS]
    sentences = []
    for name in sorted(environment):
        if name.startswith("RINGBACK_") and name not in (*known, *_OTHERS) and not name.startswith(_OF_A_SERVICE):
            meant = get_close_matches(name, known, 1, cutoff=0.8)
            sentences.append(f"{name} is no setting" + (f"; {meant[0]} is one" if meant else ""))
    return sentences


def short(settings: Settings) -> list[str]:
    """Return a sentence for each account with a token or a signing key that could be guessed."""
    return [
        f"a token or a signing key of {tenant.name!r} has less than {_SHORTEST_SECRET} characters, and may be guessed;"
        " `ringback secrets` makes better ones"
        for tenant in settings.tenants
        if min(map(len, (*tenant.tokens(), tenant.keys.current, tenant.keys.next))) < _SHORTEST_SECRET
    ]


def read_database(environment: Mapping[str, str], file: Path | None = None) -> Path | str:
    """Return where everything is kept, without asking for the secrets that a broker needs.

    Raises:
        SettingWrong: it is not what it should be.
    """
    found: Path | str = _one("RINGBACK_DATABASE", environment, file)
    return found


def read_encryption_keys(environment: Mapping[str, str], file: Path | None = None) -> tuple[bytes, ...]:
    """Return the keys that stored payloads are encrypted with, likewise.

    Raises:
        SettingWrong: one is not what it should be.
    """
    return tuple(_one("RINGBACK_ENCRYPTION_KEYS", environment, file))


def _one(name: str, environment: Mapping[str, str], file: Path | None) -> Any:
    (setting,) = (one for one in SETTINGS if one.name == name)
    told = _of_file(file).get(setting.key) if file else None
    return _value(setting, environment.get(setting.name, told))


def _limits(value: Mapping[str, Any]) -> Limits:
    return Limits(
        body_bytes=value["RINGBACK_MAX_BODY"],
        batch_bytes=value["RINGBACK_MAX_BATCH"],
        delay_ms=value["RINGBACK_MAX_DELAY"],
        timeout_ms=value["RINGBACK_MAX_TIMEOUT"],
        retries=value["RINGBACK_MAX_RETRIES"],
        default_retries=min(value["RINGBACK_DEFAULT_RETRIES"], value["RINGBACK_MAX_RETRIES"]),
        response_bytes=value["RINGBACK_MAX_RESPONSE"],
        answer_bytes=value["RINGBACK_KEEP_ANSWERS"],
        log_retention_ms=value["RINGBACK_LOG_RETENTION"],
        dlq_retention_ms=value["RINGBACK_DLQ_RETENTION"],
        queue_parallelism=value["RINGBACK_MAX_QUEUE_PARALLELISM"],
        group_endpoints=value["RINGBACK_MAX_ENDPOINTS"],
        messages_per_day=value["RINGBACK_MESSAGES_PER_DAY"],
        requests_per_second=value["RINGBACK_REQUESTS_PER_SECOND"],
        queues=value["RINGBACK_MAX_QUEUES"],
        schedules=value["RINGBACK_MAX_SCHEDULES"],
        groups=value["RINGBACK_MAX_TOPICS"],
    )


def _of_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingWrong(f"cannot read {file}: {error}") from error


def _users(told: Any) -> list[Tenant]:
    """Return the further accounts of the file: `[[users]]` with name, token, current, next, and perhaps weaker tokens."""
    if not isinstance(told, list) or any(not isinstance(one, dict) for one in told):
        raise SettingWrong("users: expected a list of tables, each headed [[users]]")
    tenants = []
    for number, one in enumerate(told):
        missing = {"name", "token", "current", "next"} - set(one)
        unknown = set(one) - {"name", "token", "current", "next", "read_only_token", "publish_only_token"}
        if missing or unknown or any(not isinstance(value, str) or not value for value in one.values()):
            wrong = ", ".join(sorted(missing | unknown)) or "every value must be a text"
            raise SettingWrong(
                f"users[{number}]: expected name, token, current, next, and perhaps read_only_token and"
                f" publish_only_token: {wrong}"
            )
        for key in set(one) - {"name"}:
            _of_user(f"users[{number}].{key}", one[key])
        keys = SigningKeys(one["name"], one["current"], one["next"])
        weaker = one.get("read_only_token"), one.get("publish_only_token")
        tenants.append(Tenant(one["name"], one["token"], keys, weaker[0], publish_only_token=weaker[1]))
    return tenants


def _of_user(name: str, text: str) -> None:
    try:
        secret(text)
    except ValueError as error:
        raise SettingWrong(f"{name} is not what it should be: {error}") from error


def _distinct(*tenants: Tenant) -> tuple[Tenant, ...]:
    """Two accounts with one name would see each other's data."""
    names = [tenant.name for tenant in tenants]
    if len(set(names)) < len(names):
        raise SettingWrong("users: names must differ from each other and from QSTASH_TOKEN's")
    return tenants


def _texts(told: Mapping[str, Any], file: Path | None) -> dict[str, str]:
    names = {setting.key: setting.name for setting in SETTINGS}
    texts = {}
    for key, value in told.items():
        if key not in names:
            raise SettingWrong(f"{file}: unknown setting {key!r}; docs/reference/settings.md lists them all")
        texts[names[key]] = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return texts


def _value(setting: Setting, text: str | None) -> Any:
    if not text and setting.read is secret:
        raise SettingWrong(f"{setting.name} is not set: {setting.about}")
    if text is None:
        return setting.default
    try:
        return setting.read(text)
    except ValueError as error:
        shown = "not what it should be" if setting.read in _NOT_SHOWN else repr(text)
        raise SettingWrong(f"{setting.name} is {shown}: {error}") from error


def _secrets_of(users: list[dict[str, str]]) -> dict[str, str]:
    return {f"users[{number}].{key}": one[key] for number, one in enumerate(users) for key in one if key != "name"}


def _check(secrets: Mapping[str, str]) -> None:
    """Refuse what others know.

    The development secrets are printed in public documents: whoever reads them could publish and forge. One secret in two
    places gives who is told the one what only the other may; and a next key that is the current one makes rotation do nothing.
    """
    public = {text for one in DEVELOPMENT_TENANTS for text in (one.token, one.keys.current, one.keys.next)}
    owners: dict[str, str] = {}
    for name, text in secrets.items():
        if text in public:
            raise SettingWrong(f"{name} is a public development secret; `ringback secrets` makes a real one")
        if text in owners:
            raise SettingWrong(f"{name} is the same as {owners[text]}: they must differ; `ringback secrets` makes more")
        owners[text] = name


def _user_id(token: str) -> str:
    """Return the user a token names, if it is of the form that workflow SDKs read (workflow protocol 2.8)."""
    try:
        user = json.loads(base64.b64decode(token, validate=True))["UserID"]
    except (ValueError, KeyError, TypeError):
        return "default"
    return str(user) or "default"
