"""The store that keeps the ledger, a Valkey or Redis, embedded or elsewhere; the only user of redis-py."""
