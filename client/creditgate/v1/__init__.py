"""Generated messages and stubs of the protocol `creditgate.v1`; `scripts/generate` writes them from `proto/`."""
