"""Pictures in packets of H.265 (ITU-T H.265, sections 7.3 and 8.3)."""

from p3d_eval.features.bitstreams import Bits, Pictures, Reader, UnprovenError, take_sets, units

# H.265 unit types (Table 7-1)
_HEVC_VCL, _HEVC_RASL, _HEVC_IRAP, _HEVC_BLA = 32, (8, 9), range(16, 24), range(16, 19)
_HEVC_PPS, _HEVC_SETS, _HEVC_END = 34, (32, 33, 34), (36, 37)


def reader(extradata: bytes) -> Reader:
    """Return the reader for H.265 with a configuration record (ISO/IEC 14496-15: MP4, Matroska)."""
    if len(extradata) < 23 or extradata[0] != 1:
        raise UnprovenError("no configuration record")
    length_size = (extradata[21] & 3) + 1
    sets = _hevc_sets(extradata)
    starts = 0

    def read(packet: bytes) -> Pictures:
        nonlocal starts
        shown, anchor = 0, False
        for unit in units(packet, length_size):
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
        position, more = take_sets(extradata, position + 3, count)
        sets += more
    kinds = [kind for unit in sets if (kind := unit[0] >> 1 & 63) in _HEVC_SETS]
    if sorted(kinds) != list(_HEVC_SETS):
        raise UnprovenError("not one parameter set of each kind")
    bits = Bits(next(unit for unit in sets if unit[0] >> 1 & 63 == _HEVC_PPS), 2)
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
