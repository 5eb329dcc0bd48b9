"""cuda_code.py FILE CUBIN: lists the kernels that FILE, an object of nvcc or a cubin, has for sm_90, a line "symbol
registers stack instructions" each, and copies their code to CUBIN. Exits with 3 and a reason where it cannot read it.

No tool of the toolkit is needed, which may be installed without cuobjdump. How fatbinary stores code is not documented:
this is what 12.8 to 13.0 write, and what is not as expected here is refused, not guessed. Since sm_70 an instruction is
16 bytes. The stack, of which spills are a part, includes that of functions called.
"""

import ctypes
import pathlib
import struct
import sys

ARCHITECTURE = 90
CUDA_MACHINE, FAT_MAGIC = 190, struct.pack("<IHH", 0xBA55ED50, 1, 16)
ELF_ENTRY, COMPRESSED, ZSTD = 2, 0xF000, 0x8000
VALUE, REGISTERS, STACK = 4, 0x2F, 0x12  # of .nv.info: records of so many bytes as they say; of these a symbol and a number


class Unreadable(Exception):
    pass


def inflated(data, size):
    """By the library that Debian's g++ and dpkg are linked to; Python has a module from 3.14 on."""
    try:
        library = ctypes.CDLL("libzstd.so.1")
    except OSError as error:
        raise Unreadable("no libzstd.so.1") from error
    library.ZSTD_decompress.restype = ctypes.c_size_t
    library.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    out = ctypes.create_string_buffer(size)
    if library.ZSTD_decompress(out, size, data, len(data)) != size:
        raise Unreadable("its compressed code is damaged")
    return out.raw


def cubin(data):
    """The code for sm_90 in an object; a cubin as it is."""
    if data[:4] != b"\x7fELF":
        raise Unreadable("no ELF file")
    if struct.unpack_from("<H", data, 18)[0] == CUDA_MACHINE:
        return data
    found, begin = [], data.find(FAT_MAGIC)
    if begin < 0 or data.find(FAT_MAGIC, begin + 1) >= 0:
        raise Unreadable("not one fat binary in it")
    place = begin + 16
    end = place + struct.unpack_from("<Q", data, begin + 8)[0]
    while place < end:
        kind, _, header, size, packed = struct.unpack_from("<HHIQI", data, place)
        (architecture,), (flags,) = struct.unpack_from("<I", data, place + 28), struct.unpack_from("<Q", data, place + 40)
        if kind == ELF_ENTRY and architecture == ARCHITECTURE:
            code = data[place + header : place + header + (packed or size)]
            if flags & COMPRESSED == ZSTD:
                code = inflated(code, struct.unpack_from("<Q", data, place + 56)[0])
            found.append(code)
        place += header + size
    if len(found) != 1:
        raise Unreadable(f"built {len(found)} times for sm_{ARCHITECTURE}")
    if found[0][:4] != b"\x7fELF" or struct.unpack_from("<H", found[0], 18)[0] != CUDA_MACHINE:
        raise Unreadable("its code is compressed in another way than zstd")
    return found[0]


def text(data, begin):
    return data[begin : data.index(b"\0", begin)].decode()


def sections(data):
    """Name, type, place, size and linked section of each section."""
    (table,), (count, names) = struct.unpack_from("<Q", data, 40), struct.unpack_from("<HH", data, 60)
    headers = [struct.unpack_from("<IIQQQQI", data, table + 64 * i) for i in range(count)]
    return [(text(data, headers[names][4] + h[0]), h[4], h[5], h[6]) for h in headers]


def kernels(data):
    """Name and instructions of each kernel of a cubin."""
    for name, place, size, _ in sections(data):
        if name.startswith(".text."):
            code = data[place : place + size]
            yield name[6:], [int.from_bytes(code[i : i + 16], "little") for i in range(0, size, 16)]


def needs(data):
    """Of each symbol for which the cubin says it, a dictionary: REGISTERS and STACK."""
    table, found = sections(data), {}
    symbols, names = next((place, table[link][1]) for name, place, _, link in table if name == ".symtab")
    for name, place, size, _ in table:
        end = place + size
        while name == ".nv.info" and place < end:
            form, attribute, length = struct.unpack_from("<BBH", data, place)
            if form == VALUE and attribute in (REGISTERS, STACK):
                symbol, number = struct.unpack_from("<II", data, place + 4)
                symbol = text(data, names + struct.unpack_from("<I", data, symbols + 24 * symbol)[0])
                found.setdefault(symbol, {})[attribute] = number
            place += 4 + (length if form == VALUE else 0)
    return found


def main():
    try:
        data = cubin(pathlib.Path(sys.argv[1]).read_bytes())
        need = needs(data)
        lines = [f"{name} {need[name][REGISTERS]} {need[name][STACK]} {len(code)}" for name, code in kernels(data)]
    except Unreadable as reason:
        print(reason, file=sys.stderr)
        return 3
    except (LookupError, StopIteration, ValueError, struct.error) as fault:
        print(f"not as nvcc 13.0 writes it: {fault!r}", file=sys.stderr)
        return 3
    pathlib.Path(sys.argv[2]).write_bytes(data)
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
