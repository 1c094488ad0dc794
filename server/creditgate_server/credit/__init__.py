"""The vocabulary of the ledger: pure, without clock, I/O or protobuf."""
