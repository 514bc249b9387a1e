"""A descriptor pool of our own for the schemas of Hyperledger's protocols.

Their message names (``protos.*``, ``common.*``) are generic and fixed by the wire. In the default pool they clash with
the official package, and generated code pins the version of protobuf; in a pool of our own they do neither.
"""

from functools import cache
from importlib.resources import files
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

_SCHEMAS: Final = "schemas.binpb"


def expose(schema: str, module: dict[str, Any]) -> None:
    """Puts the messages and enumerations of a schema into a module's names, as generated code would.

    Args:
        schema: path of the schema as protoc was given it.
        module: ``globals()`` of the module.
    """
    file = _pool().FindFileByName(schema)
    module["DESCRIPTOR"] = file
    for name, message in file.message_types_by_name.items():
        module[name] = message_factory.GetMessageClass(message)
    for name, enumeration in file.enum_types_by_name.items():
        module[name] = EnumTypeWrapper(enumeration)
        module.update({value.name: value.number for value in enumeration.values})


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    schemas = descriptor_pb2.FileDescriptorSet.FromString((files(__package__) / _SCHEMAS).read_bytes())
    for file in schemas.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool
