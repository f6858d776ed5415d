#!/usr/bin/env python3
"""Reads a segment with nothing but what format.md says: `decode.py /telemetry`.

Prints the header, then every field of the payload with its type and value. It needs no Rust type and no library, only
Python 3. It takes no locks, so a segment that is being written may be shown partly old and partly new.
"""

import os
import struct
import sys

MAGIC = b"\x89SHM\r\n\x1a\n"
SCALARS = {
    1: ("u8", "B"), 2: ("u16", "H"), 3: ("u32", "I"), 4: ("u64", "Q"), 5: ("u128", None),
    6: ("i8", "b"), 7: ("i16", "h"), 8: ("i32", "i"), 9: ("i64", "q"), 10: ("i128", None),
    11: ("f32", "f"), 12: ("f64", "d"), 13: ("bool", "B"), 14: ("char", "I"),
}
FROZEN = (
    "magic format_version header_len byte_order reserved total_len schema_offset schema_len payload_offset "
    "payload_len payload_align layout_version tail_len tail_stride fingerprint flags created_at creator_pid "
    "creator_uid reserved_end checksum"
).split()


def fnv(data, value=0xCBF29CE484222325):
    """64-bit FNV-1a."""
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) % (1 << 64)
    return value


def word(value):
    """Fingerprints are fed eight bytes, lowest first, whatever the byte order of the machine."""
    return struct.pack("<Q", value)


class Schema:
    """Reads nodes from the front of a piece of the schema; never reads past its end."""

    def __init__(self, data, order):
        self.data, self.order, self.at = data, order, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise ValueError("the schema ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, code):
        return struct.unpack(self.order + code, self.take(struct.calcsize(code)))[0]

    def text(self):
        return self.take(self.number("H")).decode()

    def node(self):
        tag = self.take(4)[0]
        body = Schema(self.take(self.number("I")), self.order)
        if tag == 1:
            code, atomic, _ = body.take(1)[0], body.take(1)[0], body.take(2)
            node = {"tag": 1, "code": code, "atomic": atomic}
        elif tag == 2:
            node = {"tag": 2, "len": body.number("Q"), "element": body.node()}
        elif tag == 3:
            # The header says how many elements there are.
            node = {"tag": 3, "len": 0, "element": body.node()}
        elif tag == 5:
            node = {"tag": 5, "code": body.take(4)[0]}
            count = body.number("I")
            node["name"] = body.text()
            node["variants"] = [(body.text(), body.number("Q")) for _ in range(count)]
        elif tag == 4:
            node = {"tag": 4, "size": body.number("Q"), "align": body.number("I"), "version": body.number("I")}
            count = body.number("I")
            node["name"] = body.text()
            node["fields"] = [(body.text(), body.number("Q"), body.node()) for _ in range(count)]
        elif tag == 6:
            node = {"tag": 6, "target": body.number("Q"), "meaning": body.text(), "inner": body.node()}
        elif tag >= 7:
            # What the rest means is for a later format to say; the size is enough to step over it.
            node = {"tag": tag, "size": body.number("Q"), "align": body.number("I")}
            body.take(len(body.data) - body.at)
        else:
            raise ValueError(f"tag {tag} is not a node")
        if body.at != len(body.data):
            raise ValueError("a node is longer than its content")
        return node


def size(node):
    if node["tag"] in (1, 5):
        kind, code = SCALARS[node["code"]]
        return struct.calcsize(code) if code else 16
    if node["tag"] == 6:
        return size(node["inner"])
    return node["len"] * size(node["element"]) if node["tag"] in (2, 3) else node["size"]


def unknown(node):
    """Whether a node of a later format is in it, whose fingerprint this page does not tell."""
    parts = [inner for _, _, inner in node.get("fields", ())] + [node[key] for key in ("element", "inner") if key in node]
    return node["tag"] >= 7 or any(map(unknown, parts))


def fingerprint(node, order):
    start = bytes([node["tag"], order == ">"])
    if node["tag"] == 1:
        return fnv(start + bytes([node["code"], node["atomic"]]))
    if node["tag"] == 2:
        return fnv(start + word(node["len"]) + word(fingerprint(node["element"], order)))
    if node["tag"] == 3:
        return fnv(start + word(fingerprint(node["element"], order)))
    if node["tag"] == 6:
        meaning = node["meaning"].encode()
        return fnv(start + word(len(meaning)) + meaning + word(fingerprint(node["inner"], order)))
    if node["tag"] == 5:
        data = start + bytes([node["code"]]) + word(len(node["variants"]))
        for name, bits in node["variants"]:
            data += word(len(name.encode())) + name.encode() + word(bits)
        return fnv(data)
    data = start + word(node["size"]) + word(node["align"]) + word(node["version"]) + word(len(node["fields"]))
    for name, offset, inner in node["fields"]:
        name = name.encode()
        data += word(len(name)) + name + word(offset) + word(fingerprint(inner, order))
    return fnv(data)


def show(node, data, at, path, order):
    """Prints one line per leaf: offset, path, type, value. Arrays of numbers are one line."""
    if node["tag"] == 4:
        for name, offset, inner in node["fields"]:
            show(inner, data, at + offset, f"{path}.{name}" if path else name, order)
    elif node["tag"] in (2, 3):
        length = f"; {node['len']}" if node["tag"] == 2 else ""
        elements(node["element"], node["len"], f"[{{}}{length}]", data, at, path, order)
    elif meaning(node) == "vec":
        (_, _, len_node), (_, offset, items) = node["inner"]["fields"]
        length = int(value(len_node, data, at, order))
        if length > items["len"]:
            print(f"{at:8} {path or 'payload'}: a vector of {length}, and at most {items['len']} fit")
        else:
            name = f"ShmVec<{{}}, {items['len']}>"
            elements(items["element"], length, name, data, at + offset, path, order)
    elif meaning(node) == "ring":
        *words, (_, offset, slots) = node["inner"]["fields"]
        for name, place, word in words:
            show(word, data, at + place, f"{path}.{name}" if path else name, order)
        tail, head = (number((at + place, word), data, order) for name, place, word in words if name in ("tail", "head"))
        if 0 <= tail - head <= slots["len"]:
            # What was sent and not received: message n is in slot n modulo their number.
            for message in range(head, tail):
                slot = message % slots["len"] * size(slots["element"])
                show(slots["element"], data, at + offset + slot, f"{path}[{message}]", order)
        else:
            print(f"{at:8} {path or 'payload'}: a ring with {tail - head} messages, and at most {slots['len']} fit")
    elif meaning(node) == "seqlock":
        fields = {name: (at + offset, inner) for name, offset, inner in node["inner"]["fields"]}
        version = number(fields["version"], data, order)
        first, slots = fields["slots"]
        print(f"{at:8} {path or 'payload'}: SeqLock, version {version}")
        current = first + version % slots["len"] * size(slots["element"])
        show(slots["element"]["inner"]["fields"][0][2], data, current, path, order)
    elif meaning(node) == "broadcast":
        fields = {name: (at + offset, inner) for name, offset, inner in node["inner"]["fields"]}
        first, slots = fields["slots"]
        tail, reserved = number(fields["tail"], data, order), number(fields["reserved"], data, order)
        oldest = min(max(reserved - slots["len"], 0), tail)
        print(f"{at:8} {path or 'payload'}: Broadcast, messages {oldest} to {tail - 1}" if oldest < tail
              else f"{at:8} {path or 'payload'}: Broadcast, no message of {tail} is there")
        for message in range(oldest, min(tail, oldest + slots["len"])):
            slot = first + message % slots["len"] * size(slots["element"])
            show(slots["element"], data, slot, f"{path}[{message}]", order)
    elif node["tag"] >= 7:
        print(f"{at:8} {path or 'payload'}: {size(node)} bytes of a type of a later format, tag {node['tag']}")
    elif node["tag"] == 6 and not leaf(node):
        show(node["inner"], data, at, path, order)
    else:
        print(f"{at:8} {path or 'payload'}: {kind(node)} = {value(node, data, at, order)}")


def elements(element, count, name, data, at, path, order):
    if not leaf(element) and count:
        for i in range(count):
            show(element, data, at + i * size(element), f"{path}[{i}]", order)
    else:
        step = size(element)
        values = [value(element, data, at + i * step, order) for i in range(count)]
        print(f"{at:8} {path or 'payload'}: {name.format(kind(element))} = [{', '.join(values)}]")


def number(place, data, order):
    return int(value(place[1], data, place[0], order))


def meaning(node):
    return node["meaning"] if node["tag"] == 6 else None


def leaf(node):
    return node["tag"] in (1, 5) or meaning(node) in ("str", "offset")


def kind(node):
    if meaning(node) == "str":
        return f"ShmStr<{size(node)}>"
    if not leaf(node):
        return "..."
    if meaning(node) == "offset":
        return "ShmOffset"
    return node["name"] if node["tag"] == 5 else SCALARS[node["code"]][0]


def value(node, data, at, order):
    if meaning(node) == "str":
        # Bytes that are no UTF-8 come out as \xff.
        return '"' + data[at : at + size(node)].split(b"\0")[0].decode(errors="backslashreplace") + '"'
    if meaning(node) == "offset":
        number = struct.unpack(order + "Q", data[at : at + 8])[0]
        return f"{number:#x}" if number else "null"
    kind, code = SCALARS[node["code"]]
    raw = data[at : at + size(node)]
    if node["tag"] == 5:
        number = struct.unpack(order + code, raw)[0]
        names = [name for name, bits in node["variants"] if bits == number % (1 << 64)]
        return names[0] if names else f"{node['name']}({number})"
    if kind == "char":
        number = struct.unpack(order + code, raw)[0]
        valid = number < 0xD800 or 0xE000 <= number < 0x110000
        return repr(chr(number)) if valid else f"char({number:#x})"
    if kind == "bool":
        return "true" if raw[0] else "false"
    if code:
        return repr(struct.unpack(order + code, raw)[0])
    return str(int.from_bytes(raw, "little" if order == "<" else "big", signed=kind == "i128"))


def main(name):
    with open("/dev/shm" + name, "rb") as file:
        data = file.read()
        length = os.fstat(file.fileno()).st_size
    if data[:8] != MAGIC:
        raise ValueError("this is no segment: the magic bytes are missing")
    order = {1: "<", 2: ">"}[data[12]]
    header = dict(zip(FROZEN, struct.unpack(order + "8sHHB3s5Q2I5Q2I2Q", data[:128])))
    if header["checksum"] != fnv(data[:120]):
        raise ValueError("the checksum of the header is wrong")
    if header["format_version"] != 2 or header["total_len"] != length:
        raise ValueError("another version of the format, or a file that was cut")
    schema = data[header["schema_offset"] : header["schema_offset"] + header["schema_len"]]
    reader = Schema(schema, order)
    node = reader.node()
    if reader.at != len(schema) or not unknown(node) and fingerprint(node, order) != header["fingerprint"]:
        raise ValueError("the schema does not belong to the fingerprint")
    last = node
    while last["tag"] == 4 and last["fields"]:
        last = last["fields"][-1][2]
    if last["tag"] == 3:
        last["len"] = header["tail_len"]
    state, next_participant = struct.unpack(order + "I4xQ", data[192:208])
    for key in FROZEN[1:]:
        if not key.startswith("reserved"):
            print(f"{key} = {header[key]:#018x}" if key in ("fingerprint", "checksum") else f"{key} = {header[key]}")
    print(f"state = {state}\nnext_participant = {next_participant}")
    payload = data[header["payload_offset"] : header["payload_offset"] + header["payload_len"]]
    show(node, payload, 0, "", order)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (IndexError, KeyError, OSError, UnicodeDecodeError, ValueError) as error:
        sys.exit(f"decode.py: {error!r}" if len(sys.argv) > 1 else "usage: decode.py /NAME")
