"""The reference page of the settings, made from the settings: `python -m ringback.cli.settings_page`."""

from ringback.cli.setting_list import SETTINGS, Setting
from ringback.cli.setting_texts import milliseconds, secret

_HEAD = """# Settings of `ringback serve`

Each is a variable of the environment; in the file given with `--config` (TOML) its key is the last column. The
environment wins over the file. Every setting is checked at start. `ringback dev` needs none of them.

| variable | default | what it does | key in the file |
|---|---|---|---|
"""


_USERS = """
## Several accounts on one server

Further accounts stand in the file; each sees its own data only. `ringback secrets --user NAME` makes the values.

```toml
[[users]]
name = "second"
token = "..."
current = "sig_..."
next = "sig_..."
read_only_token = "..."   # if wanted
publish_only_token = "..."   # if wanted
```
"""


def page() -> str:
    """Return the page."""
    return _HEAD + "".join(map(_line, SETTINGS)) + _USERS


def _line(setting: Setting) -> str:
    return f"| `{setting.name}` | {_default(setting)} | {setting.about} | `{setting.key}` |\n"


def _default(setting: Setting) -> str:
    if setting.default is None:
        return "must be set" if setting.read is secret else "none"
    if setting.default in ("", ()):
        return "none"
    if setting.read is milliseconds:
        return f"`{setting.default // 1000}s`"
    return f"`{str(setting.default).lower() if isinstance(setting.default, bool) else setting.default}`"


if __name__ == "__main__":
    print(page(), end="")
