"""DDS as ROS 2 speaks it, through Cyclone DDS: names and types as its middleware has them, no ROS installation."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uois_sam.errors import MissingExtraError, UOISError

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

LOOPBACK = """
<CycloneDDS><Domain>
<General><Interfaces><NetworkInterface name="lo" multicast="false"/></Interfaces>
<AllowMulticast>false</AllowMulticast></General>
<Discovery><ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>32</MaxAutoParticipantIndex>
<Peers><Peer address="127.0.0.1"/></Peers></Discovery>
</Domain></CycloneDDS>
"""
"""Cyclone DDS that neither sends to other machines nor hears them."""
LARGEST_DOMAIN = 232
"""Beyond it ports run out."""
_NAME = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)
_SECOND = 10**9


def topic_name(name: str) -> str:
    """DDS name of a ROS topic: ``/camera/image`` becomes ``rt/camera/image``.

    Raises:
        UOISError: no name that ROS allows.
    """
    return f"rt/{_checked(name)}"


def service_names(name: str) -> tuple[str, str]:
    """DDS names of the topics of a service's requests and replies."""
    plain = _checked(name)
    return f"rq/{plain}Request", f"rr/{plain}Reply"


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UOISError(f"expected the name of a topic as /camera/image_raw, found {name[:60]!a}")
    return name.lstrip("/")


def dds_type_name(name: str) -> str:
    """``sensor_msgs/msg/Image`` becomes ``sensor_msgs::msg::dds_::Image_``."""
    *package, kind = name.split("/")
    return "::".join([*package, "dds_", f"{kind}_"])


def describe_type(store: Typestore, name: str, known: dict[str, Any] | None = None) -> Any:
    """The IDL class of a message type, as Cyclone DDS wants it."""
    from cyclonedds.idl import make_idl_struct, types
    from rosbags.interfaces import Nodetype

    known = {} if known is None else known
    plain = {"string": str, "bool": bool, "byte": types.uint8, "char": types.uint8}

    def field(kind: Any, rest: Any) -> Any:
        if kind == Nodetype.NAME:
            return describe_type(store, rest, known)
        if kind == Nodetype.BASE:
            return plain.get(rest[0]) or getattr(types, rest[0])
        (inner, what), length = rest
        element = field(inner, what)
        make: Any = types.array if kind == Nodetype.ARRAY else types.sequence
        return make[element, length] if kind == Nodetype.ARRAY else make[element]

    if name not in known:
        fields = {each: field(*kind) for each, kind in store.fielddefs[name][1]}
        known[name] = make_idl_struct(name.rpartition("/")[2], dds_type_name(name), fields)
    return known[name]


def carrier_type(store: Typestore, name: str) -> Any:
    """An IDL class whose samples carry a message of rosbags as ``message``.

    rosbags turns it to bytes and back through NumPy; Cyclone's own Python code takes a list of numbers for an image.
    """
    described = describe_type(store, name)

    def serialize(self: Any, **_: Any) -> bytes:
        return bytes(store.serialize_cdr(self.message, name))

    def deserialize(content: bytes, **_: Any) -> Any:
        return carry(described, store.deserialize_cdr(content, name))

    described.serialize, described.deserialize = serialize, staticmethod(deserialize)
    return described


def carry(kind: Any, message: Any) -> Any:
    """A sample with a message in it."""
    sample = kind.__new__(kind)
    sample.message = message
    return sample


class Participant:
    """A participant of a DDS domain with ROS 2's settings.

    Args:
        domain: ROS_DOMAIN_ID.
        network: whether other machines may be reached, as CYCLONEDDS_URI or Cyclone's defaults say; else only this one.

    Raises:
        MissingExtraError: cyclonedds is not installed.
        UOISError: no domain of this number can be opened.
    """

    def __init__(self, store: Typestore, domain: int, network: bool) -> None:
        try:
            from cyclonedds.core import DDSException
            from cyclonedds.domain import Domain, DomainParticipant
        except ImportError as error:
            raise MissingExtraError("a ROS 2 node", "ros", str(error.name)) from error
        if not 0 <= domain <= LARGEST_DOMAIN:
            raise UOISError(f"--domain: expected 0 to {LARGEST_DOMAIN}, found {domain}")
        self._store = store
        try:
            self._domain = None if network else Domain(domain, LOOPBACK)
        except DDSException as error:
            if error.code != DDSException.DDS_RETCODE_PRECONDITION_NOT_MET:  # this process has it already
                raise UOISError(f"--domain {domain}: expected DDS to start, found {error}") from error
        try:
            self._dds = DomainParticipant(domain)
        except DDSException as error:
            raise UOISError(f"--domain {domain}: expected DDS to start, found {error}") from error

    def reader(self, topic: str, kind: str, *, newest_only: bool) -> Reader:
        """Read a topic; only the newest message, lost ones not sent again, or all of them."""
        from cyclonedds.sub import DataReader
        from cyclonedds.topic import Topic

        carrier = Topic(self._dds, topic, carrier_type(self._store, kind))
        return Reader(DataReader(self._dds, carrier, qos=_qos(newest_only)))

    def writer(self, topic: str, kind: str) -> Callable[[Any], None]:
        """Return a function that publishes a message, reliably."""
        from cyclonedds.pub import DataWriter
        from cyclonedds.topic import Topic

        carrier = carrier_type(self._store, kind)
        writer = DataWriter(self._dds, Topic(self._dds, topic, carrier), qos=_qos(False))
        return lambda message: writer.write(carry(carrier, message))

    def waiter(self, *readers: Reader) -> Callable[[float], object]:
        """Return a function that waits for a message on any of the readers, for so many seconds at most."""
        from cyclonedds.core import InstanceState, ReadCondition, SampleState, ViewState, WaitSet

        waiting = WaitSet(self._dds)
        for each in readers:
            waiting.attach(ReadCondition(each.dds, ViewState.Any | SampleState.NotRead | InstanceState.Any))
        return lambda seconds: waiting.wait(int(seconds * _SECOND))

    def others_read(self, topic: str) -> bool:
        """Whether another participant, as far as known, reads a topic."""
        from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsSubscription

        reader = BuiltinDataReader(self._dds, BuiltinTopicDcpsSubscription)
        return any(each.topic_name == topic and each.participant_key != self._dds.guid for each in reader.read(1000))

    def publishers(self, topic: str) -> int:
        """Number of writers of a topic, as far as known."""
        from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication

        reader = BuiltinDataReader(self._dds, BuiltinTopicDcpsPublication)
        return sum(each.topic_name == topic for each in reader.read(1000))


class Reader:
    """Messages of one topic."""

    def __init__(self, dds: Any) -> None:
        self.dds = dds

    def take(self) -> list[Any]:
        """Messages that have come, oldest first.

        Raises:
            UOISError: bytes that are no message of the topic's type; they are lost, and so is what came with them.
        """
        try:
            return [sample.message for sample in self.dds.take(100) if hasattr(sample, "message")]
        except Exception as error:  # rosbags' SerdeError, struct.error, AssertionError, ...
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UOISError(f"expected a whole message, found another ({reason[:100]})") from error


def _qos(newest_only: bool) -> Any:
    from cyclonedds.qos import Policy, Qos

    return Qos(
        Policy.Reliability.BestEffort if newest_only else Policy.Reliability.Reliable(_SECOND),
        Policy.Durability.Volatile,
        Policy.History.KeepLast(1) if newest_only else Policy.History.KeepLast(10),
        Policy.DataRepresentation(use_cdrv0_representation=True),
    )
