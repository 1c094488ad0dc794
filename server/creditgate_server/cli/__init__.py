"""The `creditgate` command: what people and scripts type, and what they get to see."""
