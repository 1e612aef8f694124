"""Where two answers part: of dialects and official runtimes (dialects, answers), of two models (versions)."""
