"""Pictures in packets of VP8 (RFC 6386, section 9.1) and VP9 (its specification, section 6.2, annex B)."""

from collections.abc import Iterator

from p3d_eval.features.bitstreams import Bits, Pictures, Reader, UnprovenError


def vp8_reader(_extradata: bytes) -> Reader:
    """Return the reader for VP8, which needs no global headers."""
    return lambda packet: Pictures(packet[0] >> 4 & 1, not packet[0] & 1)


def vp9_reader(_extradata: bytes) -> Reader:
    """Return the reader for VP9, which needs no global headers."""

    def read(packet: bytes) -> Pictures:
        found = [_vp9_frame(frame) for frame in _vp9_frames(packet)]
        return Pictures(sum(frame.shown for frame in found), found[0].anchor)

    return read


def _vp9_frames(packet: bytes) -> Iterator[bytes]:
    """Split a superframe by the index at its end."""
    marker = packet[-1]
    count, size = (marker & 7) + 1, (marker >> 3 & 3) + 1
    index = packet[-(2 + size * count) :]
    if marker >> 5 != 0b110 or len(index) < 2 + size * count or index[0] != marker:
        yield packet
        return
    position = 0
    for number in range(count):
        end = position + int.from_bytes(index[1 + size * number :][:size], "little")
        if end > len(packet) - len(index) or end == position:
            raise UnprovenError("a superframe does not divide into frames")
        yield packet[position:end]
        position = end


def _vp9_frame(frame: bytes) -> Pictures:
    bits = Bits(frame[:2], 0)
    if bits.fixed(2) != 2:
        raise UnprovenError("no VP9 frame")
    low, high = bits.fixed(1), bits.fixed(1)
    if low and high:  # profile 3 has a reserved bit
        bits.fixed(1)
    if bits.fixed(1):  # show_existing_frame
        return Pictures(1, False)
    key = not bits.fixed(1)
    return Pictures(bits.fixed(1), key)
