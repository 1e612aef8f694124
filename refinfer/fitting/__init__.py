"""Does it fit? Boards (boards), the flash that a model takes (flash), the answer (verdict), and of many (scan)."""
