"""Simulation: a chaincode's reads and writes on a state that does not move, as a read-write set."""

from dataclasses import dataclass, field

from adapters.hyperledger.embedded.state import Key, Value, Version, WorldState
from adapters.hyperledger.proto import kvrwset_pb2, rwset_pb2


@dataclass
class Simulation:
    """One transaction of one chaincode. It sees the committed state alone, never what it wrote itself.

    Attributes:
        namespace: the chaincode.
        state: the committed state.
    """

    namespace: str
    state: WorldState
    _reads: dict[str, Version | None] = field(default_factory=dict)
    _writes: dict[str, bytes | None] = field(default_factory=dict)
    _ranges: list[kvrwset_pb2.RangeQueryInfo] = field(default_factory=list)

    def get(self, name: str) -> bytes | None:
        """Returns a key's value, and notes that it was read."""
        found = self.state.get(Key(self.namespace, name))
        self._reads.setdefault(name, found.version if found else None)
        return found.data if found else None

    def put(self, name: str, data: bytes) -> None:
        """Notes a write; no bytes are none, and delete."""
        self._writes[name] = data or None

    def delete(self, name: str) -> None:
        """Notes a deletion."""
        self._writes[name] = None

    def between(self, start: str, end: str) -> list[tuple[str, Value]]:
        """Returns a range of keys, and notes that all of it was read."""
        found = list(self.state.between(self.namespace, start, end))
        query = kvrwset_pb2.RangeQueryInfo(start_key=start, end_key=end, itr_exhausted=True)
        query.raw_reads.SetInParent()
        for name, value in found:
            query.raw_reads.kv_reads.add(key=name, version=_message(value.version))
        self._ranges.append(query)
        return found

    def results(self) -> bytes:
        """Returns the ``rwset.TxReadWriteSet``; the same reads and writes give the same bytes."""
        entries = kvrwset_pb2.KVRWSet(range_queries_info=self._ranges)
        for name in sorted(self._reads):
            version = self._reads[name]
            entries.reads.add(key=name, version=_message(version) if version else None)
        for name in sorted(self._writes):
            data = self._writes[name]
            entries.writes.add(key=name, is_delete=data is None, value=data or b"")
        written = rwset_pb2.TxReadWriteSet()
        written.ns_rwset.add(namespace=self.namespace, rwset=entries.SerializeToString())
        return written.SerializeToString()


def _message(version: Version) -> kvrwset_pb2.Version:
    return kvrwset_pb2.Version(block_num=version.block, tx_num=version.transaction)
