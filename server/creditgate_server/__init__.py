"""The Creditgate server: gRPC in front, a Valkey or Redis ledger behind."""
