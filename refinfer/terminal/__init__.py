"""What the command line prints: facts in, lines out. `text.py` knows the terminal, a file each command's words."""
