"""One path for every decision: price it, collect it with others, ask the store once, hand out the answers."""
