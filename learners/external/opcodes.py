"""Pickles read without the pickle module: a small machine that can make texts, numbers, containers and nothing else.

Loading a pickle calls whatever functions it names. Here the opcodes are taken apart by ``pickletools.genops``, which
executes nothing, and a function that is named becomes a ``Name``; what a call of it means is decided by the caller.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vestige.learners.errors import DataError
from vestige.learners.files.untrusted import readable, shown

MOST_BYTES = 64 * 2**20

_VALUES = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 "
    "STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8".split()
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": list}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(frozen=True)
class Name:
    """A function or class that a pickle names."""

    module: str
    name: str

    def __str__(self) -> str:
        return shown(f"{self.module}.{self.name}")


@dataclass(frozen=True)
class Made:
    """What would have been an object of a class: kept as the class's name, without its content."""

    of: Name


class _Mark:
    pass


@dataclass
class _Machine:
    admit: Callable[[Name], Any]
    call: Callable[[Name, tuple[Any, ...]], Any]
    persistent: Callable[[Any], Any]
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def since_mark(self) -> list[Any]:
        for position in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[position], _Mark):
                items = self.stack[position + 1 :]
                del self.stack[position:]
                return items
        raise ValueError("no mark on the stack")

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            items = tuple(stack[-_TUPLES[name] :])
            if len(items) < _TUPLES[name]:
                raise ValueError("a tuple of more than there is")
            del stack[-_TUPLES[name] :]
            stack.append(items)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name in ("PROTO", "FRAME"):
            pass
        else:
            self.build(name, argument)

    def build(self, name: str, argument: Any) -> None:
        stack = self.stack
        match name:
            case "MARK":
                stack.append(_Mark())
            case "POP":
                stack.pop()
            case "POP_MARK":
                self.since_mark()
            case "DUP":
                stack.append(stack[-1])
            case "TUPLE":
                stack.append(tuple(self.since_mark()))
            case "LIST" | "FROZENSET":
                stack.append(self.since_mark())
            case "APPEND":
                self.add_items([stack.pop()])
            case "APPENDS" | "ADDITEMS":
                self.add_items(self.since_mark())
            case "DICT":
                items = self.since_mark()
                stack.append({})
                self.set_items(items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self.set_items([key, value])
            case "SETITEMS":
                self.set_items(self.since_mark())
            case "GLOBAL":
                stack.append(self.admit(Name(*argument.split(" ", 1))))
            case "STACK_GLOBAL":
                function, module = stack.pop(), stack.pop()
                if not isinstance(module, str) or not isinstance(function, str):
                    raise ValueError("a name that is no text")
                stack.append(self.admit(Name(module, function)))
            case "REDUCE" | "NEWOBJ":
                arguments, function = stack.pop(), stack.pop()
                if not isinstance(function, Name) or not isinstance(arguments, tuple):
                    raise ValueError("a call of what is no function")
                stack.append(self.call(function, arguments) if name == "REDUCE" else Made(function))
            case "BUILD":  # attributes of an object: of dictionaries and of what is kept by name, none matters
                stack.pop()
            case "BINPERSID":
                stack.append(self.persistent(stack.pop()))
            case _:
                raise ValueError(f"the opcode {name}")

    def add_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target += items
        elif not isinstance(target, Made):
            raise ValueError("items for what is no list")

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Made):
            return
        if not isinstance(target, dict) or len(items) % 2:
            raise ValueError("entries for what is no dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, (str, int, float, bytes, type(None))):  # hashing a tower of tuples ends the process
                raise ValueError("a key that is neither text nor number")
            target[key] = value


def read_pickle(
    data: bytes,
    *,
    admit: Callable[[Name], Any],
    call: Callable[[Name, tuple[Any, ...]], Any],
    persistent: Callable[[Any], Any],
) -> Any:
    """The value of a pickle, of which nothing was executed.

    admit: called with every function or class that the pickle names, returns what stands for it, or raises. call: what
    a call of such a name gives. persistent: what an identifier of torch (a storage) stands for.
    Raises DataError for anything that is damaged or needs more than this.
    """
    if len(data) > MOST_BYTES:
        raise DataError(f"expected a description of tensors of at most {MOST_BYTES:,} bytes, got {len(data):,}")
    machine = _Machine(admit, call, persistent)
    errors = (ValueError, IndexError, KeyError, TypeError, OverflowError, RecursionError, MemoryError)
    with readable("a description of tensors", "save the model again", *errors):
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                (value,) = machine.stack
                if isinstance(value, _Mark):
                    raise ValueError("no value")
                return value
            machine.step(opcode.name, argument)
    raise DataError("expected a description of tensors, got one that ends early; copy the file again")
