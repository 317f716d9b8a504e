"""Pictures in packets of H.264 (ITU-T H.264, sections 7.3 and 7.4)."""

from dataclasses import dataclass

from p3d_eval.features.bitstreams import Bits, Pictures, Reader, UnprovenError, take_sets, units

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
    bits = Bits(sps, 1)
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
    bits = Bits(pps, 1)
    bits.golomb(), bits.golomb(), bits.fixed(1)
    bottom_order = bool(bits.fixed(1))
    if bits.golomb():
        raise UnprovenError("slice groups")
    bits.golomb(), bits.golomb(), bits.fixed(3), bits.golomb(), bits.golomb(), bits.golomb(), bits.fixed(2)
    return _AvcHeader(frame_number_bits, order_type, order_bits, delta_zero, bottom_order, bool(bits.fixed(1)))


def _drops_waiting(unit: bytes, header: _AvcHeader) -> bool:
    """Whether an IDR slice says that pictures before it which wait to be shown never are."""
    bits = Bits(unit[:64], 1)
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


def reader(extradata: bytes) -> Reader:
    """Return the reader for H.264 with a configuration record (ISO/IEC 14496-15: MP4, Matroska, FLV)."""
    if len(extradata) < 7 or extradata[0] != 1:
        raise UnprovenError("no configuration record")
    length_size = (extradata[4] & 3) + 1
    position, sets = take_sets(extradata, 6, extradata[5] & 31)
    position, more = take_sets(extradata, position + 1, extradata[position])
    sets += more
    if [unit[0] & 31 for unit in sets] != [_AVC_SPS, _AVC_PPS]:
        raise UnprovenError("not one parameter set of each kind")
    header = _avc_header(*sets)

    def read(packet: bytes) -> Pictures:
        shown, kinds = 0, set()
        for unit in units(packet, length_size):
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
