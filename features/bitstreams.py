"""How many pictures a compressed packet shows, and whether decoding may begin with it: H.264, H.265, VP8, VP9.

Only headers are read. A `Packets` reader answers for streams whose decoder gives exactly the shown pictures,
none more and none less, as long as the data are sound; for every other stream it raises `UnprovenError`.
Sources: ITU-T H.264 sections 7.3 and 7.4, ITU-T H.265 sections 7.3 and 8.3, RFC 6386 section 9.1, the VP9
bitstream specification sections 6.2 and B.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


class UnprovenError(Exception):
    """The number of decoded frames does not follow from this stream's headers; the message says why."""


@dataclass(frozen=True)
class Pictures:
    """What a packet holds: pictures that it shows, and whether a decoder may start with it."""

    shown: int
    anchor: bool


Reader = Callable[[bytes], Pictures]


class _Bits:
    """Reads a NAL unit's bits, from after ``skip`` bytes of header."""

    def __init__(self, unit: bytes, skip: int) -> None:
        payload = unit[skip:].replace(b"\0\0\3", b"\0\0")  # emulation prevention
        self._value = int.from_bytes(payload)
        self._left = 8 * len(payload)

    def fixed(self, count: int) -> int:
        """Read an unsigned number of ``count`` bits, u(n)."""
        self._left -= count
        if self._left < 0:
            raise UnprovenError("a header ends early")
        return (self._value >> self._left) & ((1 << count) - 1)

    def golomb(self) -> int:
        """Read an unsigned Exp-Golomb number, ue(v); of a signed one, se(v), only the length is right."""
        zeros = 0
        while not self.fixed(1):
            zeros += 1
        return (1 << zeros) - 1 + self.fixed(zeros)


def _units(packet: bytes, length_size: int) -> Iterator[bytes]:
    """Split a packet into NAL units, each written behind its length."""
    position = 0
    while position < len(packet):
        start = position + length_size
        position = start + int.from_bytes(packet[position:start])
        if position > len(packet) or position == start:
            raise UnprovenError("a packet does not divide into units")
        yield packet[start:position]


# H.264 unit types (Table 7-1)
_AVC_SLICE, _AVC_PARTITIONS, _AVC_IDR, _AVC_SPS, _AVC_PPS = 1, (2, 3, 4), 5, 7, 8
# Profiles whose sequence parameter set names a chroma format (section 7.3.2.1.1)
_AVC_HIGH = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


@dataclass(frozen=True)
class _AvcHeader:
    """What an IDR picture's slice header depends on."""

    frame_number_bits: int
    order_type: int
    order_bits: int
    order_delta_zero: bool
    bottom_order: bool
    redundant: bool


def _avc_header(sps: bytes, pps: bytes) -> _AvcHeader:
    """Read the parameter sets; refuse fields, gaps in frame numbers and slice groups."""
    bits = _Bits(sps, 1)
    profile = bits.fixed(8)
    bits.fixed(16)
    bits.golomb()
    if profile in _AVC_HIGH:
        if bits.golomb() == 3:  # chroma_format_idc 4:4:4
            raise UnprovenError("4:4:4 chroma")
        bits.golomb(), bits.golomb(), bits.fixed(1)
        if bits.fixed(1):
            raise UnprovenError("scaling matrices")
    frame_number_bits = bits.golomb() + 4
    order_type, order_bits, delta_zero = bits.golomb(), 0, True
    if order_type == 0:
        order_bits = bits.golomb() + 4
    elif order_type == 1:
        delta_zero = bool(bits.fixed(1))
        bits.golomb(), bits.golomb()
        for _ in range(bits.golomb()):
            bits.golomb()
    bits.golomb()
    if bits.fixed(1):
        raise UnprovenError("frame numbers may have gaps")
    bits.golomb(), bits.golomb()
    if not bits.fixed(1):
        raise UnprovenError("pictures may be fields")
    bits = _Bits(pps, 1)
    bits.golomb(), bits.golomb(), bits.fixed(1)
    bottom_order = bool(bits.fixed(1))
    if bits.golomb():
        raise UnprovenError("slice groups")
    bits.golomb(), bits.golomb(), bits.fixed(3), bits.golomb(), bits.golomb(), bits.golomb(), bits.fixed(2)
    return _AvcHeader(frame_number_bits, order_type, order_bits, delta_zero, bottom_order, bool(bits.fixed(1)))


def _drops_waiting(unit: bytes, header: _AvcHeader) -> bool:
    """Whether an IDR slice says that pictures before it which wait to be shown never are."""
    bits = _Bits(unit[:64], 1)
    bits.golomb()
    if bits.golomb() % 5 not in (2, 4):  # slice_type I, SI
        raise UnprovenError("an IDR picture begins with another slice")
    bits.golomb(), bits.fixed(header.frame_number_bits), bits.golomb()
    if header.order_type == 0:
        bits.fixed(header.order_bits)
    if (header.order_type == 0 and header.bottom_order) or (
        header.order_type == 1 and not header.order_delta_zero
    ):
        bits.golomb()
    if header.order_type == 1 and not header.order_delta_zero and header.bottom_order:
        bits.golomb()
    if header.redundant:
        bits.golomb()
    return bool(bits.fixed(1))


def _avc(extradata: bytes) -> Reader:
    """Reader for H.264 as MP4 and Matroska hold it (the configuration record of ISO/IEC 14496-15)."""
    if len(extradata) < 7 or extradata[0] != 1:
        raise UnprovenError("no configuration record")
    length_size = (extradata[4] & 3) + 1
    position, sets = _take_sets(extradata, 6, extradata[5] & 31)
    position, more = _take_sets(extradata, position + 1, extradata[position])
    sets += more
    if [unit[0] & 31 for unit in sets] != [_AVC_SPS, _AVC_PPS]:
        raise UnprovenError("not one parameter set of each kind")
    header = _avc_header(*sets)

    def read(packet: bytes) -> Pictures:
        shown, kinds = 0, set()
        for unit in _units(packet, length_size):
            kind = unit[0] & 31
            if kind in (_AVC_SPS, _AVC_PPS) and unit not in sets:
                raise UnprovenError("parameter sets change")
            if kind in _AVC_PARTITIONS:
                raise UnprovenError("data partitions")
            if kind not in (_AVC_SLICE, _AVC_IDR):
                continue
            kinds.add(kind)
            if len(unit) > 1 and unit[1] & 0x80:  # first_mb_in_slice is 0: a picture begins
                shown += 1
                if kind == _AVC_IDR and _drops_waiting(unit, header):
                    raise UnprovenError("an IDR picture drops waiting ones")
        return Pictures(shown, kinds == {_AVC_IDR})

    return read


def _take_sets(extradata: bytes, position: int, count: int) -> tuple[int, list[bytes]]:
    """Read parameter sets, each behind its length; return where they end, too."""
    sets = []
    for _ in range(count):
        start = position + 2
        position = start + int.from_bytes(extradata[start - 2 : start])
        if position > len(extradata) or position == start:
            raise UnprovenError("a broken configuration record")
        sets.append(extradata[start:position])
    return position, sets


# H.265 unit types (Table 7-1)
_HEVC_VCL, _HEVC_RASL, _HEVC_IRAP, _HEVC_BLA = 32, (8, 9), range(16, 24), range(16, 19)
_HEVC_PPS, _HEVC_SETS, _HEVC_END = 34, (32, 33, 34), (36, 37)


def _hevc(extradata: bytes) -> Reader:
    """Reader for H.265 as MP4 and Matroska hold it (the configuration record of ISO/IEC 14496-15)."""
    if len(extradata) < 23 or extradata[0] != 1:
        raise UnprovenError("no configuration record")
    length_size = (extradata[21] & 3) + 1
    sets = _hevc_sets(extradata)
    starts = 0

    def read(packet: bytes) -> Pictures:
        nonlocal starts
        shown, anchor = 0, False
        for unit in _units(packet, length_size):
            _require_plain(unit, sets)
            kind = unit[0] >> 1 & 63
            if kind >= _HEVC_VCL or not unit[2] & 0x80:  # no picture, or not the first slice of one
                continue
            shown += 1
            if kind in _HEVC_IRAP:
                anchor = True
                starts += 1
                if unit[2] & 0x40:
                    raise UnprovenError("a start drops waiting pictures")
            elif kind in _HEVC_RASL and starts < 2:
                raise UnprovenError("pictures lean on what is before the first")
        return Pictures(shown, anchor)

    return read


def _hevc_sets(extradata: bytes) -> list[bytes]:
    """Read the parameter sets; refuse pictures that are decoded and not shown."""
    sets: list[bytes] = []
    position = 23
    for _ in range(extradata[22]):
        count = int.from_bytes(extradata[position + 1 : position + 3])
        position, more = _take_sets(extradata, position + 3, count)
        sets += more
    kinds = [kind for unit in sets if (kind := unit[0] >> 1 & 63) in _HEVC_SETS]
    if sorted(kinds) != list(_HEVC_SETS):
        raise UnprovenError("not one parameter set of each kind")
    bits = _Bits(next(unit for unit in sets if unit[0] >> 1 & 63 == _HEVC_PPS), 2)
    bits.golomb(), bits.golomb(), bits.fixed(1)
    if bits.fixed(1):
        raise UnprovenError("pictures may be hidden")
    return sets


def _require_plain(unit: bytes, sets: list[bytes]) -> None:
    """Refuse units of an H.265 stream that changes its parameters, joins sequences or has layers."""
    kind = unit[0] >> 1 & 63
    if kind in _HEVC_SETS and unit not in sets:
        raise UnprovenError("parameter sets change")
    if kind in _HEVC_END or kind in _HEVC_BLA or len(unit) < 3:
        raise UnprovenError("sequences are joined")
    if kind < _HEVC_VCL and (unit[0] & 1 or unit[1] >> 3):
        raise UnprovenError("several layers")


def _vp8(_extradata: bytes) -> Reader:
    return lambda packet: Pictures(packet[0] >> 4 & 1, not packet[0] & 1)


def _vp9(_extradata: bytes) -> Reader:
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
    bits = _Bits(frame[:2], 0)
    if bits.fixed(2) != 2:
        raise UnprovenError("no VP9 frame")
    low, high = bits.fixed(1), bits.fixed(1)
    if low and high:  # profile 3 has a reserved bit
        bits.fixed(1)
    if bits.fixed(1):  # show_existing_frame
        return Pictures(1, False)
    key = not bits.fixed(1)
    return Pictures(bits.fixed(1), key)


_READERS = {"h264": _avc, "hevc": _hevc, "vp8": _vp8, "vp9": _vp9}


def reader_for(codec: str, extradata: bytes | None) -> Reader:
    """Return the reader for a stream.

    Parameters
    ----------
    codec : str
        FFmpeg's name.
    extradata : bytes, optional
        The stream's global headers.

    Raises
    ------
    UnprovenError
        When the codec or its headers are not among those understood.
    """
    if codec not in _READERS:
        raise UnprovenError(f"{codec} is not understood")
    try:
        return _READERS[codec](extradata or b"")
    except IndexError:
        raise UnprovenError("a broken configuration record") from None
