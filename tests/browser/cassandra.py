"""Statements to Cassandra over its native protocol, as far as the tests need it: one at a time, with answers of one column of text."""

import os
import socket
import struct


def frame(opcode, body):
    return struct.pack(">BBhBi", 0x04, 0, 0, opcode, len(body)) + body


class Cassandra:
    """A connection; `ask` returns the first column of every row."""

    def __init__(self):
        host, port = os.environ["CASSANDRA_CONTACT_POINTS"].split(",")[0].rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=20)
        options = b"".join(struct.pack(">H", len(text)) + text for text in (b"CQL_VERSION", b"3.0.0"))
        assert self.send(0x01, struct.pack(">H", 1) + options)[0] == 0x02, "not ready"

    def send(self, opcode, body):
        self.socket.sendall(frame(opcode, body))
        _, _, _, answered, length = struct.unpack(">BBhBi", self.take(9))
        return answered, self.take(length)

    def take(self, count):
        taken = b""
        while len(taken) < count:
            part = self.socket.recv(count - len(taken))
            assert part, "the connection has ended"
            taken += part
        return taken

    def ask(self, statement):
        text = statement.encode()
        # Consistency ONE, and no metadata of columns in the answer.
        answered, body = self.send(0x07, struct.pack(">i", len(text)) + text + struct.pack(">HB", 1, 0x02))
        assert answered == 0x08, (statement, body[6:].decode(errors="replace"))
        kind = struct.unpack(">i", body[:4])[0]
        if kind != 2:
            return []
        flags, columns = struct.unpack(">ii", body[4:12])
        assert flags & 0x04 and not flags & 0x02, flags
        (rows,) = struct.unpack(">i", body[12:16])
        at, values = 16, []
        for number in range(rows * columns):
            (length,) = struct.unpack(">i", body[at : at + 4])
            at += 4
            if number % columns == 0:
                values.append(body[at : at + length].decode())
            at += max(length, 0)
        return values

    def close(self):
        self.socket.close()
