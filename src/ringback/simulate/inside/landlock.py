"""A read-only file system held by the kernel: this file speaks Landlock (Linux 5.13 and later), which needs no rights.

Source: docs.kernel.org/userspace-api/landlock.html. It binds this process and all its children, whatever they are written in.
"""

import ctypes
import os
import sys
from collections.abc import Iterable

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_NO_NEW_PRIVILEGES = 38
_WRITE_FILE = 1 << 1
_CHANGES = sum(1 << bit for bit in range(4, 13))  # remove and make files, folders, sockets, links
_REFER, _TRUNCATE = 1 << 13, 1 << 14


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled", ctypes.c_uint64),)


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def only_writable(folders: Iterable[str]) -> bool:
    """Refuse this thread and its children every write that is not below one of the folders; False where we cannot."""
    if sys.platform != "linux":
        return False
    system = ctypes.CDLL(None, use_errno=True)
    version = system.syscall(_CREATE, None, 0, 1)
    if version < 1:
        return False
    handled = _WRITE_FILE | _CHANGES | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    rules = system.syscall(_CREATE, ctypes.byref(_Ruleset(handled)), ctypes.sizeof(_Ruleset), 0)
    if rules < 0:
        return False
    try:
        return all(_allow(system, rules, handled, folder) for folder in folders) and _bind(system, rules)
    finally:
        os.close(rules)


def _allow(system: ctypes.CDLL, rules: int, handled: int, folder: str) -> bool:
    held = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _Beneath(handled, held)
        return bool(system.syscall(_ADD, rules, 1, ctypes.byref(rule), 0) == 0)
    finally:
        os.close(held)


def _bind(system: ctypes.CDLL, rules: int) -> bool:
    return bool(system.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 and system.syscall(_RESTRICT, rules, 0) == 0)
