"""Generated protobuf code of version 1; used by ``fabric.wire`` alone."""
