"""Compiles modules to bytecode files, without executing anything of them.

Run by the interpreter that is to read them, with nothing but its standard library; see `bytecode`.
Input: a time stamp, then for each module the lengths of its name and of its content, and the two.
Output: for each a length, and so many bytes of `marshal`: the bytecode file, empty where it cannot be
compiled, and what it imports, as far as that is seen. That is a level, a name, and names from there.
"""

import importlib.util
import marshal
import opcode
import struct
import sys
import warnings
from types import CodeType

IMPORT, CONSTANT, MORE = (
    opcode.opmap.get(name, -1) for name in ("IMPORT_NAME", "LOAD_CONST", "EXTENDED_ARG")
)
SMALL = opcode.opmap.get("LOAD_SMALL_INT", -1)
"""How newer ones load a level."""


def main() -> None:
    warnings.simplefilter("ignore")
    read, write = sys.stdin.buffer.read, sys.stdout.buffer.write
    (stamp,) = struct.unpack("<I", read(4))
    while True:
        lengths = read(8)
        if not lengths:
            return
        name_length, length = struct.unpack("<II", lengths)
        name = read(name_length).decode("utf-8", "surrogateescape")
        source = read(length)
        try:
            code = compile(source, name, "exec", dont_inherit=True, optimize=0)
            head = importlib.util.MAGIC_NUMBER + struct.pack("<III", 0, stamp, length)
            compiled = head + marshal.dumps(code)
            found = imports(code) if IMPORT >= 0 else []
        except Exception:  # noqa: BLE001 - whatever a compiler says of any text
            compiled, found = b"", []
        # In a form that all interpreters know.
        answer = marshal.dumps((compiled, found), 2)
        write(struct.pack("<I", len(answer)) + answer)
        sys.stdout.buffer.flush()


def imports(code: CodeType) -> list[tuple[int, str, tuple[str, ...]]]:
    """Return what a module imports, its functions included: they may run, and most do."""
    found = []
    waiting = [code]
    while waiting:
        code = waiting.pop()
        waiting += [each for each in code.co_consts if isinstance(each, CodeType)]
        operations, arguments = code.co_code[::2], code.co_code[1::2]
        place = operations.find(IMPORT)
        while place >= 0:
            # Before it, the level and the names are loaded, in this order.
            end, _, name = instruction(operations, arguments, place + 1)
            end, operation, index = instruction(operations, arguments, end)
            names = code.co_consts[index] if operation == CONSTANT else None
            _, operation, index = instruction(operations, arguments, end)
            level = index if operation == SMALL else 0
            if operation == CONSTANT and isinstance(code.co_consts[index], int):
                level = code.co_consts[index]
            chosen = names if isinstance(names, tuple) else ()
            found.append((level, code.co_names[name], chosen))
            place = operations.find(IMPORT, place + 1)
    return found


def instruction(operations: bytes, arguments: bytes, end: int) -> tuple[int, int, int]:
    """Return where the instruction begins that ends before `end`, what it is, and its argument."""
    place, shift = end - 1, 8
    operation, argument = operations[place], arguments[place]
    while place and operations[place - 1] == MORE:
        place -= 1
        argument |= arguments[place] << shift
        shift += 8
    return place, operation, argument


if __name__ == "__main__":
    main()
