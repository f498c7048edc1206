"""Signing keys, tokens, what administrators did, and the settings in force."""

from ringback.client.insight import account, audit, settings_in_force
from ringback.client.management import rotate_signing_keys, signing_keys
from ringback.console.screens import ROOT, Deed, Done, Screen, Section, Values, Visit
from ringback.console.views.settings import grouped


async def load_keys(visit: Visit) -> Values:
    """The signing keys; a session that may only read does not see them."""
    keys = await visit.ask(signing_keys()) if visit.session.may_write else None
    return {"keys": keys, "fixed": visit.session.fixed_keys}


async def rotate(visit: Visit) -> Done:
    """The next key becomes the current one."""
    if visit.one("sure") != "yes":
        raise ValueError("Say that every endpoint accepts the next key before you rotate.")
    await visit.ask(rotate_signing_keys())
    return Done("Rotated. Give your endpoints the two keys below.", f"{ROOT}/keys")


async def load_tokens(visit: Visit) -> Values:
    """Which tokens there are; none of them is shown."""
    return {"account": await visit.ask(account())}


async def load_audit(visit: Visit) -> Values:
    """What administrators did."""
    found = await visit.ask(audit(cursor=visit.one("cursor") or None, count=50))
    return {"entries": found.items, "cursor": found.cursor}


async def load_settings(visit: Visit) -> Values:
    """The settings in force."""
    return {"groups": grouped(await visit.ask(settings_in_force()))}


SECTION = Section(
    (
        Screen("/keys", "keys.html", load_keys, "Signing keys", "Broker"),
        Screen("/tokens", "tokens.html", load_tokens, "Tokens", "Broker"),
        Screen("/audit", "audit.html", load_audit, "Audit log", "Broker"),
        Screen("/settings", "settings.html", load_settings, "Settings", "Broker"),
    ),
    (Deed("/keys/rotate", rotate),),
)
