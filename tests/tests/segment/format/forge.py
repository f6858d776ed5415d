
# Runs behind decode.py, in the same module: forges segments and decodes them. Arguments: a scratch name, then real segments.
import contextlib
import io
import random
import signal


def refit(data):
    """Gives a forged segment the fingerprint and checksum that belong to it, so that the decoder reads on."""
    order = {1: "<", 2: ">"}.get(data[12], "<")
    begin, length = struct.unpack_from(order + "QQ", data, 24)
    if begin + length <= len(data):
        try:
            node = Schema(bytes(data[begin : begin + length]), order).node()
            struct.pack_into(order + "Q", data, 80, 0 if unknown(node) else fingerprint(node, order))
        except (Damaged, RecursionError):
            pass
    struct.pack_into(order + "Q", data, 120, fnv(data[:120]))
    try:
        refit_levels(data, Schema(bytes(data[begin : begin + length]), order).node(), order)
    except (Damaged, RecursionError, KeyError, struct.error):
        pass


def refit_levels(data, node, order):
    """The fingerprints that belong to the records, as far as these can be read."""
    fields, end = list(node["fields"]), len(data)
    for _ in range(min(struct.unpack_from(order + "I", data, 208)[0], 20)):
        length = struct.unpack_from(order + "I", data, end - 16)[0]
        begin = end - 16 - (length + 7) // 8 * 8
        record = Schema(bytes(data[begin : begin + length]), order)
        size, align, count = record.number("Q"), record.number("I"), record.number("I")
        fields += record.fields(count)
        whole = {"tag": 4, "size": size, "align": align, "version": node["version"], "fields": fields}
        struct.pack_into(order + "Q", data, end - 8, 0 if unknown(whole) else fingerprint(whole, order))
        end = begin


def node_bytes(tag, body):
    return struct.pack("<B3xI", tag, len(body)) + body


def text_bytes(text):
    return struct.pack("<H", len(text)) + text


U8, U64 = node_bytes(1, b"\x01\0\0\0"), node_bytes(1, b"\x04\0\0\0")


def array(count, element):
    return node_bytes(2, struct.pack("<Q", count) + element)


def structure(size, *fields, name=b"S"):
    body = struct.pack("<QIII", size, 8, 0, len(fields)) + text_bytes(name)
    return node_bytes(4, body + b"".join(text_bytes(name) + struct.pack("<Q", at) + inner for name, at, inner in fields))


def meant(meaning, inner):
    return node_bytes(6, struct.pack("<Q", 0) + text_bytes(meaning) + inner)


def nested(depth, count, element):
    for _ in range(depth):
        element = array(count, element)
    return element


SCHEMAS = [
    nested(100_000 // 16, 1, U8)[-60_000:],
    nested(200, 1, U8),
    nested(100, 2, structure(0)),
    nested(100, 1 << 63, U64),
    array(1 << 63, structure(0)),
    array(1 << 63, array(0, U8)),
    array(1 << 40, U8),
    node_bytes(3, structure(0)),
    structure(1 << 60, (b"far", 1 << 59, U64)),
    structure(8, (b"behind", 1, U64)),
    structure(8, (b"\x1b[31mred\n\x07", 0, U64), name=b"\x1b]0;title\x07"),
    structure(8, ("\u202e\u0085".encode(), 0, U64)),
    structure(8, (b"\xff\xfe", 0, U64)),
    structure(8, (b"n" * 60_000, 0, array(8, structure(1, (b"m" * 60_000, 0, U8))))),
    node_bytes(1, b"\x63\0\0\0"),
    node_bytes(5, struct.pack("<B3xI", 12, 0) + text_bytes(b"E")),
    node_bytes(5, struct.pack("<B3xI", 1, 1) + text_bytes(b"E\x1b") + text_bytes(b"\x1b[2J") + struct.pack("<Q", 0)),
    node_bytes(9, struct.pack("<QI", 1 << 50, 8)),
    array(1 << 60, node_bytes(9, struct.pack("<QI", 0, 8))),
    *(meant(meaning, U8) for meaning in (b"str", b"vec", b"ring", b"seqlock", b"broadcast", b"offset", b"slot", b"mutex")),
    *(meant(meaning, structure(0)) for meaning in (b"str", b"vec", b"ring", b"seqlock", b"broadcast", b"offset")),
    meant(b"str", array(1 << 40, U8)),
    meant(b"vec", structure(16, (b"len", 0, U64), (b"items", 8, array(1 << 63, structure(0))))),
    meant(b"ring", structure(24, (b"tail", 0, U64), (b"head", 8, U64), (b"slots", 16, array(0, U64)))),
    meant(b"ring", structure(16, (b"tail", 0, U64), (b"head", 8, U64), (b"slots", 16, array(1 << 63, structure(0))))),
    meant(b"broadcast", structure(16, (b"tail", 0, U64), (b"reserved", 8, U64), (b"slots", 16, array(1 << 63, structure(0))))),
    meant(b"seqlock", structure(16, (b"version", 0, U64), (b"slots", 8, array(0, U64)))),
]
WORDS = [0, 1, 2, 3, 7, 255, 1 << 16, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]


def with_schema(original, schema):
    payload = bytes(random.choice((0, 1, 0x1B, 0x9B, 0xFF)) for _ in range(64))
    begin = (256 + len(schema) + 127) // 128 * 128
    data = bytearray(original[:256]) + schema + bytes(begin - 256 - len(schema)) + payload
    struct.pack_into("<QQQQQ", data, 16, len(data), 256, len(schema), begin, len(payload))
    return data


def mutated(original):
    data = bytearray(original)
    schema_end = 256 + struct.unpack_from("<Q", data, 32)[0]
    payload = struct.unpack_from("<QQ", data, 40)
    for _ in range(random.randrange(1, 4)):
        kind = random.randrange(7)
        if kind == 0:
            struct.pack_into("<Q", data, random.randrange(8, 208, 4), random.choice(WORDS))
        elif kind == 1:
            data[random.randrange(256, schema_end)] = random.choice((0, 1, 2, 3, 5, 6, 7, 27, 128, 255, random.randrange(256)))
        elif kind == 2:
            struct.pack_into("<Q", data, random.randrange(256, schema_end - 8), random.choice(WORDS))
        elif kind == 5:
            struct.pack_into("<I", data, 208, random.choice([0, 1, 3, 4, 5, 40, 1000, 1001, 1 << 31, (1 << 32) - 1]))
        elif kind == 6:
            at = len(data) - random.randrange(4, 400, random.choice((1, 4)))
            data[at : at + 4] = struct.pack("<I", random.choice(WORDS) & 0xFFFFFFFF)[: len(data) - at]
        elif kind == 3:
            at = random.randrange(payload[0], payload[0] + payload[1])
            data[at : at + 8] = struct.pack("<Q", random.choice(WORDS + [random.getrandbits(64)]))[: len(data) - at]
        else:
            del data[random.randrange(len(data)) :]
            data += bytes(max(0, schema_end + 8 - len(data)))
            if random.randrange(2):
                struct.pack_into("<Q", data, 16, len(data))
    return data


def decode(name, what):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        result = main(name)
    text = output.getvalue() + (result or "")
    assert all(char.isprintable() or char == "\n" for char in text), (what, text)
    assert len(text) < 10_000_000, (what, len(text))
    return result


signal.alarm(100)
random.seed(5)
MOST_VALUES = 2_000
scratch, *names = sys.argv[1:]
originals = [open("/dev/shm" + name, "rb").read() for name in names]
forgeries = [(f"schema {number}", with_schema(originals[0], schema)) for number, schema in enumerate(SCHEMAS)]
forgeries += [(f"mutant {number}", mutated(random.choice(originals))) for number in range(1500)]
shown = 0
path = "/dev/shm" + scratch
try:
    for what, data in forgeries:
        refit(data)
        with open(path, "wb") as file:
            file.write(data)
        try:
            shown += decode(scratch, what) is None
        except Exception as error:
            raise AssertionError(what) from error
    os.unlink(path)
    os.mkfifo(path)
    assert "not a regular file" in decode(scratch, "a FIFO")
    os.unlink(path)
    # A file as long as no disk.
    with open(path, "wb") as file:
        data = with_schema(originals[0], array(1 << 43, U64))
        struct.pack_into("<Q", data, 16, 1 << 47)
        struct.pack_into("<Q", data, 48, 1 << 46)
        refit(data)
        file.write(data)
        file.truncate(1 << 47)
    assert decode(scratch, "a sparse file") is None
finally:
    with contextlib.suppress(OSError):
        os.unlink(path)
assert shown > 100, f"only {shown} forgeries were shown"
print(f"{len(forgeries)} forgeries, {shown} of them shown")
