"""The expression language of `Upstash-Retry-Delay`: parsed once, evaluated before each retry (protocol 3.5)."""

import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from ringback.errors import Refused

_Evaluate = Callable[[float], float]

_LONGEST_TEXT = 512
_DEEPEST = 64
_LONGEST_MS = 86_400_000
_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([A-Za-z_]+)|([-+*/%(),]))", re.ASCII)
_FUNCTIONS: dict[str, tuple[int, Callable[..., float]]] = {
    "pow": (2, math.pow),
    "exp": (1, math.exp),
    "sqrt": (1, math.sqrt),
    "abs": (1, abs),
    "floor": (1, math.floor),
    "ceil": (1, math.ceil),
    "round": (1, lambda x: math.floor(x + 0.5)),
    "min": (2, min),
    "max": (2, max),
}
_OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": math.fmod,
}


class RetryDelay(NamedTuple):
    """A parsed expression."""

    evaluate: _Evaluate

    def delay_ms(self, retried: int) -> int | None:
        """Return the wait before a retry in milliseconds, at most a day; None where the expression has no finite value.

        Args:
            retried: retries made so far, 0 before the first.
        """
        try:
            value = self.evaluate(float(retried))
        except (ArithmeticError, ValueError):
            return None
        if not math.isfinite(value):
            return None
        return int(min(max(value, 0.0), _LONGEST_MS))


@lru_cache(maxsize=1024)
def compile_expression(text: str) -> RetryDelay:
    """Parse an expression.

    Raises:
        Refused: 400, saying what was expected where.
    """
    if len(text) > _LONGEST_TEXT:
        raise _refused(text[:20], f"longer than {_LONGEST_TEXT} characters")
    parser = _Parser(text)
    evaluate = parser.expression(0)
    parser.expect_end()
    return RetryDelay(evaluate)


def _refused(text: str, reason: str) -> Refused:
    return Refused(400, f"invalid header Upstash-Retry-Delay {text!r}: {reason}")


class _Parser:
    """Recursive descent over the tokens; the grammar stands in protocol 3.5."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split(text)
        self._at = 0

    def _split(self, text: str) -> list[str]:
        tokens, end = [], 0
        text = text.rstrip()
        while end < len(text):
            found = _TOKEN.match(text, end)
            if found is None:
                raise _refused(self._text, f"unexpected {text[end:].lstrip()[:1]!r}")
            tokens.append(found.group().strip())
            end = found.end()
        return tokens

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            raise _refused(self._text, f"unexpected {self._tokens[self._at]!r}")

    def expression(self, depth: int) -> _Evaluate:
        return self._chain("+-", self._term, depth)

    def _term(self, depth: int) -> _Evaluate:
        return self._chain("*/%", self._unary, depth)

    def _chain(self, operators: str, operand: Callable[[int], _Evaluate], depth: int) -> _Evaluate:
        result = operand(depth)
        while (token := self._peek()) and token in operators:
            self._at += 1
            result = _combined(_OPERATIONS[token], result, operand(depth))
        return result

    def _unary(self, depth: int) -> _Evaluate:
        if depth > _DEEPEST:
            raise _refused(self._text, "nested too deeply")
        if self._peek() == "-":
            self._at += 1
            inner = self._unary(depth + 1)
            return lambda retried: -inner(retried)
        if self._peek() == "+":
            self._at += 1
            return self._unary(depth + 1)
        return self._atom(depth)

    def _atom(self, depth: int) -> _Evaluate:
        token = self._next("a number, retried, a function or (")
        if token == "(":
            inner = self.expression(depth + 1)
            self._expect(")")
            return inner
        if token[0].isdigit():
            number = float(token)
            return lambda _: number
        if token == "retried":
            return lambda retried: retried
        if token in _FUNCTIONS:
            return self._function(token, depth)
        raise _refused(self._text, f"unknown name or misplaced {token!r}")

    def _function(self, name: str, depth: int) -> _Evaluate:
        arity, function = _FUNCTIONS[name]
        self._expect("(")
        arguments = [self.expression(depth + 1)]
        while self._peek() == ",":
            self._at += 1
            arguments.append(self.expression(depth + 1))
        self._expect(")")
        if len(arguments) != arity:
            raise _refused(self._text, f"{name} takes {arity} argument(s), not {len(arguments)}")
        return lambda retried: float(function(*[argument(retried) for argument in arguments]))

    def _peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next(self, expected: str) -> str:
        token = self._peek()
        if token is None:
            raise _refused(self._text, f"ended where {expected} was expected")
        self._at += 1
        return token

    def _expect(self, wanted: str) -> None:
        token = self._next(wanted)
        if token != wanted:
            raise _refused(self._text, f"expected {wanted!r}, found {token!r}")


def _combined(operation: Callable[[float, float], float], left: _Evaluate, right: _Evaluate) -> _Evaluate:
    return lambda retried: operation(left(retried), right(retried))
