"""What a server does on its own accord, beside answering calls."""
