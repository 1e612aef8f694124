"""Where buffers go that are needed for a time only: problems, planners and judges. Standard library alone.

`problem.py` is what is asked, and how an answer is judged. `registry.py` names all planners. `solve.py` finds the
lowest placement, or says how far it may be from it.
"""
