"""What the command line prints: facts in, lines out. `text.py` knows the terminal, each other file a command's words."""
