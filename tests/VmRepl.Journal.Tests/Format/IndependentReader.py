"""Reads a group's store by docs/journal-format.md, with msgpack and nothing of ours.

usage: IndependentReader.py GROUP_DIRECTORY DISK_NAME POINT
Prints two SHA-256 of the disk as of POINT: from the undo records and the live image, and from the live image's own end of the journal.
"""
import hashlib, os, struct, sys
import msgpack

TABLE = []
for n in range(256):
    for _ in range(8):
        n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)

def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF

def frame(data, at, magic):
    """Body of the frame at this offset, or None where there is none."""
    if data[at:at + 6] != b"\x93\xa4" + magic or data[at + 6:at + 7] != b"\xce" or data[at + 11:at + 12] != b"\xc6":
        return None
    checksum, length = struct.unpack(">I", data[at + 7:at + 11])[0], struct.unpack(">I", data[at + 12:at + 16])[0]
    body = data[at + 16:at + 16 + length]
    return body if len(body) == length and crc32c(body) == checksum else None

def records(directory):
    previous = None
    for name in sorted(n for n in os.listdir(directory) if n.startswith("segment-")):
        data = open(os.path.join(directory, name), "rb").read()
        version, serial, nonce, size, created, before = msgpack.unpackb(frame(data, 0, b"VRS1"))[:6]
        assert version in (1, 2) and serial == int(name[8:-4]) and size == len(data)
        assert previous in (None, before), "the segment does not follow the one before"
        previous, at, index = before, 4096, 0
        while (body := frame(data, at, b"VRC1")) is not None:
            unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=len(data))
            unpacker.feed(body)
            header = unpacker.unpack()
            if header[:2] != [serial, nonce]:
                break
            assert header[3] == index and header[4] == previous, "a commit does not follow"
            for _ in range(header[5]):
                encoded, checksum, payload = unpacker.unpack()
                assert crc32c(encoded) == checksum
                fields = msgpack.unpackb(encoded, strict_map_key=False)
                if isinstance(payload, int):
                    payload = data[payload:payload + fields[12]]
                payload = payload or b""
                assert len(payload) == fields.get(12, 0)
                sums = struct.unpack("<%dI" % (len(fields.get(8, b"")) // 4), fields.get(8, b""))
                good = [crc32c(payload[i * 4096:(i + 1) * 4096]) == expected for i, expected in enumerate(sums)]
                # Of a hand-down, what no point reads any more may be a hole; what one does read is asked for below.
                assert all(good) or fields[1] == HANDDOWN
                yield fields, payload, good
            previous = struct.unpack(">I", data[at + 7:at + 11])[0]
            index += 1
            at += (16 + len(body) + 511) // 512 * 512

WRITE, ZERO, PUNCH, UNDO, HANDDOWN, CHECKPOINT = 1, 2, 3, 32, 33, 34
group, disk, point = sys.argv[1], sys.argv[2], int(sys.argv[3])
everything = list(records(os.path.join(group, "journal")))
start, applied = 0, 0
for fields, _, _ in everything:
    if fields[1] == CHECKPOINT:
        start, applied = int(fields[11]["start"]), int(fields[11]["applied"])
newest = max((f[2] for f, _, _ in everything if 2 in f), default=0)

# The live image, by the VMDK descriptor beside it: RW sectors FLAT "file" offset.
extent = [l for l in open(os.path.join(group, "live", disk + ".vmdk")) if l.startswith("RW ")][0].split()
with open(os.path.join(group, "live", disk + ".vhdx"), "rb") as f:
    f.seek(int(extent[4]) * 512)
    live = bytearray(f.read(int(extent[1]) * 512))

def sectors(fields, payload, good):
    for i in range(fields[7] // 512):
        contents = payload[i * 512:(i + 1) * 512] if payload else bytes(512)
        yield fields.get(6, 0) // 512 + i, contents if not payload or good[i // 8] else None

undo, versions = {}, {}
for fields, payload, good in everything:
    kind, sequence, undoes = fields[1], fields.get(2, 0), fields.get(10, 0)
    if kind == UNDO and undoes > start or kind == HANDDOWN and undoes <= start:
        undo.update(sectors(fields, payload, good))
    if kind in (WRITE, ZERO, PUNCH) and sequence > start:
        for sector, contents in sectors(fields, payload, good):
            versions.setdefault(sector, []).append((sequence, contents))

def at(point):
    image = bytearray(live)
    for sector, history in versions.items():
        older = [contents for sequence, contents in history if sequence <= point]
        contents = older[-1] if older else undo[sector]
        assert contents is not None, "a point reads what does not verify"
        image[sector * 512:(sector + 1) * 512] = contents
    return hashlib.sha256(image).hexdigest()

print(at(point), at(newest))
