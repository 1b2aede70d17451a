"""Compiles modules to bytecode files, without executing anything of them.

Run by the interpreter that is to read them, with nothing but its standard library; see `bytecode`.
Input: a time stamp, then for each module the lengths of its name and of its content, and the two.
Output: for each, the length of its bytecode file and the file; nothing where it cannot be compiled.
"""

import importlib.util
import marshal
import struct
import sys
import warnings


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
        except Exception:  # noqa: BLE001 - whatever a compiler says of any text
            compiled = b""
        write(struct.pack("<I", len(compiled)) + compiled)


if __name__ == "__main__":
    main()
