#!/usr/bin/env python3
"""Reads a segment with nothing but what format.md says: `decode.py /telemetry`.

Prints the header, then every field of the payload with its type and value. It needs no Rust type and no library, only
Python 3. It takes no locks, so a segment that is being written may be shown partly old and partly new.

Any bytes may be in a segment. Sizes, offsets and depths are checked before they are used, output and time are bounded,
and characters that a terminal would interpret are escaped.
"""

import os
import stat
import struct
import sys

LONGEST_SCHEMA = 4 << 20
LONGEST_RECORDS = 1 << 24
MOST_LEVELS = 1000
LONGEST_TEXT = 1 << 16
DEEPEST_NODE = 128
MOST_VALUES = 1_000_000

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
FLAGS = {0: "SPARSE", 1: "ANONYMOUS", 2: "HAS_TAIL", 32: "WAKE_READERS"}


class Damaged(Exception):
    """The segment contradicts itself or the format."""


class Enough(Exception):
    """More values than anybody reads."""


class Budget:
    left = 0

    @classmethod
    def take(cls, count):
        cls.left -= count
        if cls.left < 0:
            raise Enough


def flag_names(key, value):
    """The names of the flags that are set."""
    flags = [FLAGS.get(bit, f"bit {bit}") for bit in range(64) if key == "flags" and value >> bit & 1]
    return f" ({', '.join(flags)})" if flags else ""


def fnv(data, value=0xCBF29CE484222325):
    """64-bit FNV-1a."""
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) % (1 << 64)
    return value


def mix(*numbers):
    """The fingerprint of a node, from its numbers."""
    value = 0xCBF29CE484222325
    for number in numbers:
        value = ((value ^ number) * 0xFF51AFD7ED558CCD) % (1 << 64)
        value ^= value >> 32
    return value


class Schema:
    """Reads nodes from the front of a piece of the schema; never reads past its end."""

    def __init__(self, data, order, depth=0):
        self.data, self.order, self.depth, self.at = data, order, depth, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Damaged("the schema ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, code):
        return struct.unpack(self.order + code, self.take(struct.calcsize(code)))[0]

    def text(self):
        try:
            return self.take(self.number("H")).decode()
        except UnicodeDecodeError:
            raise Damaged("a name in the schema is not UTF-8") from None

    def fields(self, count):
        return [(self.text(), self.number("Q"), self.node()) for _ in range(count)]

    def node(self):
        if self.depth > DEEPEST_NODE:
            raise Damaged(f"the schema is more than {DEEPEST_NODE} nodes deep")
        tag = self.take(4)[0]
        body = Schema(self.take(self.number("I")), self.order, self.depth + 1)
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
            node["names"] = {bits: name for name, bits in reversed(node["variants"])}
        elif tag == 4:
            node = {"tag": 4, "size": body.number("Q"), "align": body.number("I"), "version": body.number("I")}
            count = body.number("I")
            node["name"] = body.text()
            node["fields"] = body.fields(count)
        elif tag == 6:
            node = {"tag": 6, "target": body.number("Q"), "meaning": body.text(), "inner": body.node()}
        elif tag >= 7:
            # What the rest means is for a later format to say; the size is enough to step over it.
            node = {"tag": tag, "size": body.number("Q"), "align": body.number("I")}
            body.take(len(body.data) - body.at)
        else:
            raise Damaged(f"tag {tag} is not a node")
        if body.at != len(body.data):
            raise Damaged("a node is longer than its content")
        return node


def check(node):
    """Whether everything lies inside what contains it, and each node is what the rest of this page expects."""
    tag = node["tag"]
    if tag in (1, 5):
        if node["code"] not in SCALARS or tag == 5 and SCALARS[node["code"]][1] not in tuple("BHIQbhiq"):
            raise Damaged(f"the schema has a scalar of the code {node['code']}")
    elif tag in (2, 3):
        check(node["element"])
    elif tag == 4:
        for name, offset, inner in node["fields"]:
            check(inner)
            if offset + size(inner) > node["size"]:
                raise Damaged(f"the field `{name}` ends behind its struct")
    elif tag == 6:
        check(node["inner"])
        shape = SHAPES.get(node["meaning"])
        if shape and not shape(node["inner"]):
            raise Damaged(f"a `{node['meaning']}` in the schema is not made like one")


def is_int(node):
    return node["tag"] == 1 and node["code"] in (3, 4)


def has(node, slots, *words):
    """Whether a struct has these words of 4 or 8 bytes and, as its last field, this array."""
    fields = node.get("fields", ())
    found = {name: inner for name, _, inner in fields}
    return (
        bool(fields)
        and all(name in found and is_int(found[name]) for name in words)
        and fields[-1][0] == slots
        and fields[-1][2]["tag"] == 2
    )


def is_ring(node):
    return has(node, "slots", "tail", "head") and all(is_int(inner) for _, _, inner in node["fields"][:-1]) and filled(node)


def filled(node):
    return node["fields"][-1][2]["len"] > 0


def is_seqlock(node):
    if not has(node, "slots", "version") or not filled(node):
        return False
    slot = node["fields"][-1][2]["element"]
    return slot["tag"] == 6 and len(slot["inner"].get("fields", ())) == 1


def is_word(node):
    fields = node.get("fields", ())
    return [name for name, _, _ in fields] == ["word"] and is_int(fields[0][2])


SHAPES = {
    "str": lambda node: node["tag"] == 2 and node["element"]["tag"] == 1 and node["element"]["code"] == 1,
    "vec": lambda node: has(node, "items", "len") and len(node["fields"]) == 2,
    "offset": lambda node: node["tag"] == 1 and node["code"] == 4,
    "ring": is_ring,
    "seqlock": is_seqlock,
    "broadcast": lambda node: has(node, "slots", "reserved", "tail") and filled(node),
    "event": is_word,
    "semaphore": is_word,
}


class Payload:
    """The payload's bytes, read a block at a time."""

    BLOCK = 1 << 16

    def __init__(self, file, start, length):
        self.file, self.start, self.length = file, start, length
        self.block, self.bytes = None, b""

    def __getitem__(self, span):
        if not 0 <= span.start <= span.stop <= self.length:
            raise Damaged("a value lies outside the payload")
        parts, at = [], span.start
        while at < span.stop:
            block = at // self.BLOCK
            if block != self.block:
                begin = block * self.BLOCK
                wanted = min(self.BLOCK, self.length - begin)
                self.bytes, self.block = os.pread(self.file, wanted, self.start + begin), block
                if len(self.bytes) != wanted:
                    raise Damaged("the file was cut meanwhile")
            begin = at - block * self.BLOCK
            parts.append(self.bytes[begin : begin + span.stop - at])
            at += len(parts[-1])
        return b"".join(parts)


def put(line):
    """Prints a line without what a terminal would interpret."""
    Budget.take(len(line) // 64)
    print(escaped(line))


def escaped(text):
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


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
    tag = node["tag"] + (256 if order == ">" else 0)
    if node["tag"] == 1:
        return mix(tag, node["code"], node["atomic"])
    if node["tag"] == 2:
        return mix(tag, node["len"], fingerprint(node["element"], order))
    if node["tag"] == 3:
        return mix(tag, fingerprint(node["element"], order))
    if node["tag"] == 6:
        return mix(tag, fnv(node["meaning"].encode()), fingerprint(node["inner"], order))
    if node["tag"] == 5:
        numbers = [tag, node["code"], len(node["variants"])]
        for name, bits in node["variants"]:
            numbers += [fnv(name.encode()), bits]
        return mix(*numbers)
    return struct_fingerprint(node, field_numbers(node["fields"], order), order)


def struct_fingerprint(node, fields, order):
    tag = 4 + (256 if order == ">" else 0)
    return mix(tag, node["size"], node["align"], node["version"], len(fields) // 3, *fields)


def field_numbers(fields, order):
    """Three numbers for each field."""
    return [number for name, offset, inner in fields for number in (fnv(name.encode()), offset, fingerprint(inner, order))]


def read_levels(file, header, count, base, order):
    """The levels that have a record, each as a struct of the fields that it adds, and where the last record begins."""
    end = header["total_len"]
    lowest = max(header["payload_offset"] + header["payload_len"], end - LONGEST_RECORDS)
    if count > MOST_LEVELS or count and (base["tag"] != 4 or header["flags"] >> 2 & 1):
        raise Damaged(f"it cannot have {count} levels")
    levels, known = [], not unknown(base)
    # What the fingerprints of the levels have in common.
    fields = field_numbers(base["fields"], order) if count else []
    for level in range(1, count + 1):
        length, zero, expected = struct.unpack(order + "IIQ", read(file, 16, end - 16))
        begin = end - 16 - (length + 7) // 8 * 8
        if zero or length < 16 or begin < lowest:
            raise Damaged(f"the record of level {level} is impossible")
        record = Schema(read(file, length, begin), order)
        node = {"tag": 4, "size": record.number("Q"), "align": record.number("I"), "version": base["version"]}
        node["fields"] = record.fields(record.number("I"))
        if record.at != length:
            raise Damaged(f"the record of level {level} is longer than its content")
        check(node)
        fields += field_numbers(node["fields"], order)
        Budget.take(1 + len(fields))
        known = known and not unknown(node)
        if known and struct_fingerprint(node, fields, order) != expected:
            raise Damaged(f"the record of level {level} does not belong to its fingerprint")
        levels.append(node)
        end = begin
    return levels, end


def read(file, length, offset):
    data = os.pread(file, length, offset) if offset >= 0 else b""
    if len(data) != length:
        raise Damaged("the file was cut meanwhile")
    return data


def show(node, data, at, path, order):
    """Prints one line per leaf: offset, path, type, value. Arrays of numbers are one line."""
    Budget.take(1 + len(path) // 64)
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
            put(f"{at:8} {path or 'payload'}: a vector of {length}, and at most {items['len']} fit")
        else:
            name = f"ShmVec<{{}}, {items['len']}>"
            elements(items["element"], length, name, data, at + offset, path, order)
    elif meaning(node) == "ring":
        *words, (_, offset, slots) = node["inner"]["fields"]
        for name, place, word in words:
            if name == "deliveries":
                message, times = divmod(number((at + place, word), data, order), 1 << 16)
                often = {0: "never", 1: "once"}.get(times, f"{times} times")
                what = f"message {message} was delivered {often}"
                put(f"{at + place:8} {path + '.' if path else ''}{name}: {what}")
            else:
                show(word, data, at + place, f"{path}.{name}" if path else name, order)
        tail, head = (number((at + place, word), data, order) for name, place, word in words if name in ("tail", "head"))
        if 0 <= tail - head <= slots["len"]:
            # What was sent and not received: message n is in slot n modulo their number.
            for message in range(head, tail):
                slot = message % slots["len"] * size(slots["element"])
                show(slots["element"], data, at + offset + slot, f"{path}[{message}]", order)
        else:
            put(f"{at:8} {path or 'payload'}: a ring with {tail - head} messages, and at most {slots['len']} fit")
    elif meaning(node) == "seqlock":
        fields = {name: (at + offset, inner) for name, offset, inner in node["inner"]["fields"]}
        version = number(fields["version"], data, order)
        first, slots = fields["slots"]
        put(f"{at:8} {path or 'payload'}: SeqLock, version {version}")
        current = first + version % slots["len"] * size(slots["element"])
        show(slots["element"]["inner"]["fields"][0][2], data, current, path, order)
    elif meaning(node) == "broadcast":
        fields = {name: (at + offset, inner) for name, offset, inner in node["inner"]["fields"]}
        first, slots = fields["slots"]
        tail, reserved = number(fields["tail"], data, order), number(fields["reserved"], data, order)
        oldest = min(max(reserved - slots["len"], 0), tail)
        put(f"{at:8} {path or 'payload'}: Broadcast, messages {oldest} to {tail - 1}" if oldest < tail
              else f"{at:8} {path or 'payload'}: Broadcast, no message of {tail} is there")
        for message in range(oldest, min(tail, oldest + slots["len"])):
            slot = first + message % slots["len"] * size(slots["element"])
            show(slots["element"], data, slot, f"{path}[{message}]", order)
    elif meaning(node) in ("event", "semaphore"):
        [(_, offset, word)] = node["inner"]["fields"]
        bits = number((at + offset, word), data, order)
        what = f"Event, generation {bits % 2**32 >> 1}" if meaning(node) == "event" else f"Semaphore, value {bits >> 2}"
        put(f"{at:8} {path or 'payload'}: {what}")
    elif node["tag"] >= 7:
        put(f"{at:8} {path or 'payload'}: {size(node)} bytes of a type of a later format, tag {node['tag']}")
    elif node["tag"] == 6 and not leaf(node):
        show(node["inner"], data, at, path, order)
    else:
        put(f"{at:8} {path or 'payload'}: {kind(node)} = {value(node, data, at, order)}")


def elements(element, count, name, data, at, path, order):
    if not leaf(element) and count:
        for i in range(count):
            show(element, data, at + i * size(element), f"{path}[{i}]", order)
    else:
        step, values = size(element), []
        for i in range(count):
            Budget.take(1)
            values.append(value(element, data, at + i * step, order))
        put(f"{at:8} {path or 'payload'}: {name.format(kind(element))} = [{', '.join(values)}]")


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
        # Bytes that are not UTF-8 are printed as \xff.
        text = data[at : at + min(size(node), LONGEST_TEXT)].split(b"\0")[0].decode(errors="backslashreplace")
        return f'"{text}"'
    if meaning(node) == "offset":
        number = struct.unpack(order + "Q", data[at : at + 8])[0]
        return f"{number:#x}" if number else "null"
    kind, code = SCALARS[node["code"]]
    raw = data[at : at + size(node)]
    if node["tag"] == 5:
        number = struct.unpack(order + code, raw)[0]
        return node["names"].get(number % (1 << 64), f"{node['name']}({number})")
    if kind == "char":
        number = struct.unpack(order + code, raw)[0]
        valid = number < 0xD800 or 0xE000 <= number < 0x110000
        return repr(chr(number)) if valid else f"char({number:#x})"
    if kind == "bool":
        return "true" if raw[0] else "false"
    if code:
        return repr(struct.unpack(order + code, raw)[0])
    return str(int.from_bytes(raw, "little" if order == "<" else "big", signed=kind == "i128"))


def show_segment(file):
    about = os.fstat(file)
    if not stat.S_ISREG(about.st_mode):
        raise Damaged("this is not a segment: it is not a regular file")
    start = os.pread(file, 256, 0)
    if start[:8] != MAGIC:
        raise Damaged("this is not a segment: the magic bytes are missing")
    if len(start) < 256:
        raise Damaged("the file ends inside the header")
    order = {1: "<", 2: ">"}.get(start[12])
    if not order:
        raise Damaged("the header has no byte order")
    header = dict(zip(FROZEN, struct.unpack(order + "8sHHB3s5Q2I5Q2I2Q", start[:128])))
    if header["checksum"] != fnv(start[:120]):
        raise Damaged("the checksum of the header is wrong")
    if header["format_version"] != 2 or header["total_len"] != about.st_size:
        raise Damaged("another version of the format, or a file that was cut")
    for part in ("schema", "payload"):
        if header[f"{part}_offset"] + header[f"{part}_len"] > header["total_len"]:
            raise Damaged(f"the {part} ends after the end of the file")
    if header["schema_len"] > LONGEST_SCHEMA:
        raise Damaged("the schema is too long")
    schema = os.pread(file, header["schema_len"], header["schema_offset"])
    reader = Schema(schema, order)
    node = reader.node()
    if reader.at != len(schema) or not unknown(node) and fingerprint(node, order) != header["fingerprint"]:
        raise Damaged("the schema does not belong to the fingerprint")
    check(node)
    last = node
    while last["tag"] == 4 and last["fields"]:
        last = last["fields"][-1][2]
    if last["tag"] == 3:
        last["len"] = header["tail_len"]
    state, next_participant, count = struct.unpack(order + "I4xQI", start[192:212])
    for key in FROZEN[1:]:
        if not key.startswith("reserved"):
            number = f"{header[key]:#018x}" if key in ("fingerprint", "checksum") else header[key]
            put(f"{key} = {number}{flag_names(key, header[key])}")
    put(f"state = {state}")
    put(f"next_participant = {next_participant}")
    put(f"levels = {count}")
    try:
        levels, end = read_levels(file, header, count, node, order)
        data = Payload(file, header["payload_offset"], end - header["payload_offset"])
        show(node, data, 0, "", order)
        for level, node in enumerate(levels, 1):
            put(f"level {level}: {node['size']} bytes")
            show(node, data, 0, "", order)
    except Enough:
        print(f"more than {MOST_VALUES} values: the rest is not shown")


def main(name):
    """The result is why it failed, if it did."""
    Budget.left = MOST_VALUES
    try:
        # Opening a FIFO would block.
        file = os.open("/dev/shm" + name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            show_segment(file)
        finally:
            os.close(file)
    except (Damaged, OSError, ValueError) as error:
        return escaped(f"decode.py: {name}: {error}")
    return None


USAGE = "usage: decode.py /NAME"


def command(arguments):
    """What the command line asks for. The result is why it failed, if it did."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(f"{USAGE}\n\n{__doc__}", end="")
        return None
    if len(arguments) != 1:
        return USAGE
    name = arguments[0]
    if name.startswith("/dev/shm/"):
        return escaped(f"decode.py: pass the segment's name, /{name[len('/dev/shm/'):]}, without /dev/shm")
    if not name.startswith("/"):
        return escaped(f"decode.py: the name of a segment begins with a slash: /{name}")
    return main(name)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(command(sys.argv[1:]))
