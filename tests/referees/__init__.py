"""Other people's programs, run to judge ours."""
